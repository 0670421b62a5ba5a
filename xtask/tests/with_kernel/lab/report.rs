//! Reads the JSON that xtask writes.

use anyhow::{Result, anyhow};
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
