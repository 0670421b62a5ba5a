//! Judges a part by the outcomes of its runs and by the functions that the module calls.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

use super::answer::{Answer, AnswerPart};
use super::part::TaskPart;
use super::result::{CompileResult, PartResult, PartState, ScheduleCounts};
use crate::failure::Fault;
use crate::lesson::verdict::Verdict;
use crate::modules::imports_of;
use crate::pipeline::Built;
use crate::report::json::RunEntry;
use crate::run::Outcome;

/// Returns the result of compiling an answer.
pub(super) fn compile_result(built: &Built, answer: &Answer<'_>) -> CompileResult {
    let (name, language) = (answer.name(), answer.language);
    let warnings = built.warnings.iter();
    let warnings = warnings
        .filter(|own| own.name == name && own.language == language)
        .map(|own| own.text.clone());
    let Some(unbuilt) = built.unbuilt(name, language) else {
        return CompileResult {
            verdict: "pass".to_owned(),
            warnings: warnings.collect(),
            ..CompileResult::default()
        };
    };
    let what = unbuilt.message.clone();
    let verdict = match unbuilt.fault {
        Fault::Lesson => Verdict::DoesNotCompile { what: what.clone() },
        _ => Verdict::Infrastructure { what: what.clone() },
    };
    let place = verdict.source_line();
    CompileResult {
        verdict: verdict.name().to_owned(),
        file: place.map(|(file, _)| file.to_owned()),
        line: place.map(|(_, line)| line),
        error_code: error_code(&what),
        message: what,
        warnings: String::new(),
    }
}

/// Returns the code of the first error in rustc's output: `error[E0382]: ...`.
fn error_code(output: &str) -> Option<String> {
    let mut codes = output
        .lines()
        .filter_map(|line| line.strip_prefix("error["));
    let (code, _) = codes.next()?.split_once(']')?;
    Some(code.to_owned())
}

/// Returns the result of a part that was not run.
pub(super) fn part_result(answer: &Answer<'_>, part: &AnswerPart) -> PartResult {
    let TaskPart {
        title,
        points,
        settings,
        ..
    } = &answer.exercise.task.parts[part.index];
    PartResult {
        number: part.index + 1,
        title: title.clone(),
        maximum: *points,
        hidden: settings.hidden,
        line: part.line,
        verdict: "not-run".to_owned(),
        expected_verdict: settings.verdict.clone(),
        schedules: settings.schedules.map(|requested| ScheduleCounts {
            requested,
            ..ScheduleCounts::default()
        }),
        ..PartResult::default()
    }
}

/// Judges a part by the outcomes of its runs, which are none if it needs no guest, and by the symbols
/// that the module needs.
pub(super) fn judge(
    answer: &Answer<'_>,
    part: &AnswerPart,
    outcomes: &[Outcome],
    symbols: &BTreeSet<String>,
) -> PartResult {
    let task_part = &answer.exercise.task.parts[part.index];
    let mut result = part_result(answer, part);
    let expected = task_part.settings.verdict.as_deref().unwrap_or("pass");
    let is_host = |outcome: &&Outcome| matches!(outcome.verdict, Verdict::Infrastructure { .. });
    let ended = |outcome: &&Outcome| !outcome.verdict.skipped();
    let differs = |outcome: &&Outcome| ended(outcome) && outcome.verdict.name() != expected;
    if let Some(counts) = &mut result.schedules {
        let passed = outcomes.iter().filter(|one| one.verdict.name() == expected);
        counts.passed = u32::try_from(passed.count()).unwrap_or(u32::MAX);
        let failing = outcomes.iter().filter(|one| !is_host(one)).find(differs);
        counts.first_failing_seed = failing.and_then(Outcome::seed);
    }
    let decides = outcomes.iter().find(is_host);
    let decides = decides.or_else(|| outcomes.iter().find(differs));
    let decides = decides.or_else(|| outcomes.iter().find(ended));
    if let Some(outcome) = decides {
        result.verdict = outcome.verdict.name().to_owned();
        result.subject = outcome.verdict.subject().map(str::to_owned);
        result.state = match result.verdict == expected {
            true => PartState::Passed,
            false if is_host(&outcome) => PartState::Unknown,
            false => PartState::Failed,
        };
        if result.state != PartState::Passed {
            result.message = match &outcome.verdict {
                Verdict::Pass => format!("the run passed, and has to end with `{expected}`"),
                verdict => verdict.to_string(),
            };
        }
        result.run = Some(RunEntry::from(outcome));
        result.outcome = Some(outcome.clone());
    } else if part.lesson.is_none() {
        result.state = PartState::Passed;
        "pass".clone_into(&mut result.verdict);
    }
    if result.passed() && task_part.settings.judges_symbols() {
        judge_symbols(answer, task_part, symbols, &mut result);
    }
    if result.passed() {
        result.points = result.maximum;
    }
    result
}

/// Fails a part whose module lacks a call that it must have, or has one that it must not have.
fn judge_symbols(
    answer: &Answer<'_>,
    part: &TaskPart,
    symbols: &BTreeSet<String>,
    result: &mut PartResult,
) {
    let must = part.settings.calls.of(answer.language).iter();
    let missing: Vec<String> = must
        .filter(|name| !symbols.contains(*name))
        .cloned()
        .collect();
    let must_not = part.settings.imports_not.of(answer.language).iter();
    let forbidden: Vec<String> = must_not
        .filter(|name| symbols.contains(*name))
        .cloned()
        .collect();
    let (verdict, message, names) = match (&missing[..], &forbidden[..]) {
        ([], []) => return,
        ([_, ..], _) => ("missing-call", "the module has to call", missing),
        _ => ("forbidden-call", "the module must not call", forbidden),
    };
    result.state = PartState::Failed;
    verdict.clone_into(&mut result.verdict);
    result.message = format!("{message} {}", names.join(", "));
    result.symbols = names;
}

/// Returns the names of the symbols that an answer's module needs from the kernel and from others.
///
/// # Errors
///
/// Fails if the module was not built, or cannot be read.
pub(super) fn imports(built: &Built, answer: &Answer<'_>) -> Result<BTreeSet<String>> {
    let module = built.modules_of(answer.name(), answer.language).next();
    let module = module.context("the answer's module was not built")?;
    imports_of(&module.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_the_first_error_is_found() {
        let output = "x (rust) does not compile:\nerror[E0382]: moved\nerror[E0499]: twice\n";
        assert_eq!(error_code(output).as_deref(), Some("E0382"));
        assert_eq!(error_code("x.c:1:1: error: no"), None);
    }
}
