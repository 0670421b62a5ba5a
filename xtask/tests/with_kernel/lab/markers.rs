//! Lines of source files, found by their text rather than by their number.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::original;

/// Returns the number of the one line of a file of the clone that contains
/// `text`.
///
/// # Errors
///
/// Fails if no line or several lines contain `text`.
pub fn line_with(file: impl AsRef<Path>, text: &str) -> Result<usize> {
    one_line(file.as_ref(), |line| line.contains(text))
        .with_context(|| format!("looking for {text:?}"))
}

/// Replaces each `@{NAME}` in `words` by the number of the line of `file` that
/// follows the comment `marker: NAME`.
///
/// # Errors
///
/// Fails if a marker is in no line of `file`, or in several.
pub fn with_line_numbers(file: impl AsRef<Path>, words: &str) -> Result<String> {
    let mut parts = words.split("@{");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').context("@{ without }")?;
        let marker = format!("marker: {name}");
        let line = one_line(file.as_ref(), |line| {
            let line = line.trim_end().trim_end_matches("*/");
            line.trim_end().ends_with(&marker)
        });
        result += &(line.with_context(|| marker.clone())? + 1).to_string();
        result += rest;
    }
    Ok(result)
}

/// Returns the number of the one line of a file of the clone that `is_it` accepts.
fn one_line(file: &Path, is_it: impl Fn(&str) -> bool) -> Result<usize> {
    let path = original().join(file);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let numbers: Vec<usize> = (1..)
        .zip(text.lines())
        .filter_map(|(number, line)| is_it(line).then_some(number))
        .collect();
    ensure!(
        numbers.len() == 1,
        "{}: {} lines, not one: {numbers:?}",
        path.display(),
        numbers.len()
    );
    Ok(numbers[0])
}
