//! The hints for a failure, the best first: those of the exercise for its verdict, those of a table
//! for all exercises, a wrong answer that fails in the same way, and the written hints.

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::result::{CheckResult, HintEntry, HintSource, PartResult};
use super::{Exercise, HintCondition, Variant};
use crate::failure::Failure;
use crate::modules::Language;
use crate::workspace::Workspace;

/// Name of the table, in `modules/`.
const TABLE: &str = "hints.toml";

/// The hints for all exercises, by verdict and symbol.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HintTable {
    #[serde(rename = "hint")]
    hints: Vec<GeneralHint>,
}

/// A hint of the table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct GeneralHint {
    /// The condition: `hang in kthread_stop`.
    when: String,
    text: String,
    lesson: Option<String>,
}

impl HintTable {
    /// Loads the table of a clone.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read or is malformed.
    pub fn load(workspace: &Workspace) -> Result<Self> {
        let path = workspace.modules().join(TABLE);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).map_err(|error| {
            let message = format!("{}: {error}", path.display());
            Failure::lesson(message.trim_end()).into()
        })
    }
}

/// A failure as conditions see it.
struct Symptoms<'a> {
    /// The verdict and its narrower names.
    verdicts: Vec<&'a str>,
    part: Option<&'a str>,
    /// The part's number in the task, from 1.
    part_number: Option<usize>,
    /// The lines in which a symbol is looked for.
    lines: Vec<&'a str>,
}

impl<'a> Symptoms<'a> {
    fn of(exercise: &Exercise, result: &'a CheckResult) -> Option<Self> {
        if !result.compiles() {
            let code = result.compile.error_code.as_deref();
            return Some(Self {
                verdicts: [Some(&*result.compile.verdict), code]
                    .into_iter()
                    .flatten()
                    .collect(),
                part: None,
                part_number: None,
                lines: result.compile.message.lines().collect(),
            });
        }
        let part = result.failed_part()?;
        let parts = &exercise.task.parts;
        let index = parts.iter().position(|own| own.title == part.title);
        Some(Self::of_part(part, index.map(|index| index + 1)))
    }

    fn of_part(part: &'a PartResult, number: Option<usize>) -> Self {
        let verdicts = [Some(&*part.verdict), part.subject.as_deref()];
        let mut lines: Vec<&str> = vec![&part.message];
        lines.extend(part.symbols.iter().map(String::as_str));
        if let Some(run) = &part.run {
            lines.extend(run.kernel_log.iter().map(String::as_str));
            lines.extend(run.left_behind.iter().map(String::as_str));
            let functions = run.source_locations.iter();
            lines.extend(functions.map(|location| &*location.function));
            lines.extend(run.failed_step.iter().map(|step| &*step.command));
            let mismatch = run.mismatch.iter();
            lines.extend(
                mismatch
                    .flat_map(|mismatch| &mismatch.printed)
                    .map(String::as_str),
            );
        }
        Self {
            verdicts: verdicts.into_iter().flatten().collect(),
            part: Some(&part.title),
            part_number: number,
            lines,
        }
    }

    fn meets(&self, condition: &HintCondition) -> bool {
        let symbol = condition.symbol.as_deref();
        self.verdicts.contains(&&*condition.verdict)
            && (condition.part.is_none() || condition.part == self.part_number)
            && symbol.is_none_or(|symbol| self.lines.iter().any(|line| has_word(line, symbol)))
    }
}

/// Reports whether a line has a name that is not a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !(before.ends_with(is_part) || after.starts_with(is_part))
    })
}

/// Returns the hints for the first failure of a result, the best first; none if nothing failed. `source` is the
/// answer's.
pub(super) fn candidates(
    exercise: &Exercise,
    language: Language,
    variant: &Variant,
    source: &str,
    table: &HintTable,
    result: &CheckResult,
) -> Vec<HintEntry> {
    let Some(symptoms) = Symptoms::of(exercise, result) else {
        return Vec::new();
    };
    // A symbol says more than a verdict alone, and so does a part.
    let width = |condition: &HintCondition| (condition.symbol.is_none(), condition.part.is_none());
    let of_verdicts = exercise.task.hints.of_verdicts.iter();
    let mut own: Vec<_> = of_verdicts
        .filter(|hint| symptoms.meets(&hint.condition))
        .collect();
    own.sort_by_key(|hint| width(&hint.condition));
    let own = own.into_iter().map(|hint| HintEntry {
        source: HintSource::Verdict,
        heading: hint.condition.to_string(),
        text: exercise.task.variants.fill(&hint.text, variant),
        lesson: None,
    });
    let mut hints: Vec<HintEntry> = own.collect();
    let general = table.hints.iter();
    let general = general.map(|hint| (HintCondition::read(&hint.when), hint));
    let general = general.filter(|(condition, _)| symptoms.meets(condition));
    let general = general.min_by_key(|(condition, _)| width(condition));
    hints.extend(general.map(|(_, hint)| HintEntry {
        source: HintSource::General,
        heading: hint.when.clone(),
        text: hint.text.trim().to_owned(),
        lesson: hint.lesson.clone(),
    }));
    let variants = &exercise.task.variants;
    let known = exercise
        .solution(language)
        .map(|solution| solution.start(variants, variant) + &solution.filled(variants, variant));
    let known = known.unwrap_or_default();
    let similar = exercise.wrong.iter().find(|wrong| {
        wrong.language == language
            && symptoms.verdicts.contains(&&*wrong.verdict)
            && wrong.part.as_deref() == symptoms.part
            && wrong.error.as_deref() == result.compile.error_code.as_deref()
            && wrong.resembles(source, &known, |line| variants.line(line, variant))
    });
    hints.extend(similar.map(|wrong| HintEntry {
        source: HintSource::WrongAnswer,
        heading: wrong.item.clone(),
        text: format!(
            "An answer that failed in the same way: {}",
            wrong.description
        ),
        lesson: None,
    }));
    hints.extend(written(exercise, variant));
    hints
}

/// Returns the written hints of an exercise, with the values that vary.
pub fn written(exercise: &Exercise, variant: &Variant) -> impl Iterator<Item = HintEntry> {
    let written = (1..).zip(&exercise.task.hints.written);
    written.map(|(number, text): (u32, _)| HintEntry {
        source: HintSource::Written,
        heading: number.to_string(),
        text: exercise.task.variants.fill(text, variant),
        lesson: None,
    })
}

#[cfg(test)]
mod tests;
