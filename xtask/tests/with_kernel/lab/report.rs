//! Reads the reports that xtask writes.

use anyhow::{Context as _, Result, anyhow};
use serde::de::DeserializeOwned;

use super::original;

/// Parses a document of `--json` after a check against the published schema.
pub fn document<T: DeserializeOwned>(text: &str) -> Result<T> {
    let value = serde_json::from_str(text)?;
    let mut schemas = boon::Schemas::new();
    let path = original().join("docs/report.schema.json");
    let index = boon::Compiler::new().compile(&path.to_string_lossy(), &mut schemas);
    let index = index.map_err(|error| anyhow!("{error:#}"))?;
    let valid = schemas.validate(&value, index);
    valid.map_err(|error| anyhow!("{error:#}"))?;
    Ok(serde_json::from_value(value)?)
}

/// Returns a test case's line in the table of verdicts, and its report. The lesson is one of the
/// clone's `modules/lessons`.
pub fn row_and_details<'a>(
    printed: &'a str,
    lesson: &str,
    language: &str,
) -> Result<(&'a str, &'a str)> {
    let name = format!("{lesson} ({language})");
    let row = printed
        .lines()
        .find(|line| {
            line.strip_prefix(&name)
                .is_some_and(|rest| rest.starts_with(' '))
        })
        .with_context(|| format!("no row\n{printed}"))?;
    let begin = format!("\nmodules/lessons/{lesson}/README.md:");
    let details = printed.find(&begin).map_or("", |at| {
        let details = &printed[at..];
        let end = details[1..].find("\nmodules/lessons/").map(|end| end + 1);
        &details[..end.unwrap_or(details.len())]
    });
    Ok((row, details))
}
