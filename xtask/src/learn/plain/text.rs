//! The result of a check as sentences, one a line, as a screen reader reads them.

use crate::exercise::result::{CheckResult, HintEntry, PartResult, PartState};
use crate::learn::diff::{DiffRow, rows};
use crate::learn::state::{LearnState, Phase};
use crate::report::json::{FailedStep, MismatchEntry};

/// Maximum number of differences that are printed.
const DIFFERENCES: usize = 8;

/// Maximum number of lines of the kernel's log.
const LOG_LINES: usize = 8;

/// Returns the line that names the exercise.
pub fn title(state: &LearnState) -> String {
    let task = &state.task;
    let language = task.language.map_or("", |language| language.title());
    let minutes = match task.minutes {
        Some(minutes) => format!(", about {minutes} minutes"),
        None => String::new(),
    };
    format!(
        "Exercise {} of {}: {}, {}, in {language}{minutes}.",
        state.number(),
        state.course.len(),
        task.id,
        task.title,
    )
}

/// Returns the lines of the result.
pub fn result(state: &LearnState) -> Vec<String> {
    let mut lines = Vec::new();
    if let Phase::Failed { reason } = &state.phase {
        lines.push("The check failed, which says nothing about the answer:".to_owned());
        lines.extend(reason.lines().map(str::to_owned));
        return lines;
    }
    let Some(result) = &state.result else {
        return lines;
    };
    if let Some((compiled, seconds)) = &state.compiled {
        match &*compiled.verdict {
            "pass" => lines.push(format!("It compiles, in {seconds:.1} seconds.")),
            _ => lines.push("It does not compile:".to_owned()),
        }
        lines.extend(compiled.message.lines().map(str::to_owned));
        lines.extend(compiled.warnings.lines().map(str::to_owned));
    }
    if result.compiles() {
        let failed = state.failed_part();
        for (index, part) in result.parts.iter().enumerate() {
            lines.push(part_line(state, index, part));
            if Some(index) == failed {
                lines.extend(failure(state, part));
            }
        }
    }
    lines.push(summary(state, result));
    let refused = result.refused.iter();
    lines.extend(
        refused.map(|reason| format!("The course gives no points for this answer: {reason}.")),
    );
    let count = state.hint_count();
    let hints = state.hints().iter().enumerate();
    lines.extend(hints.map(|(index, entry)| hint(index + 1, count, entry)));
    lines
}

/// Returns the line of a hint.
pub fn hint(number: usize, count: usize, hint: &HintEntry) -> String {
    let words: Vec<&str> = hint.text.split_whitespace().collect();
    let lesson = match &hint.lesson {
        Some(lesson) => format!(" See the lesson {lesson}."),
        None => String::new(),
    };
    format!("Hint {number} of {count}: {}{lesson}", words.join(" "))
}

fn summary(state: &LearnState, result: &CheckResult) -> String {
    let points = format!("{} of {} points.", result.points, result.maximum);
    if result.passed() {
        let (passed, all) = (state.exercises_passed(), state.course.len());
        let next = match state.next() {
            Some(next) => format!(" The next one is {}, {}.", next.id, next.title),
            None => String::new(),
        };
        return format!("{points} All parts pass. {passed} of {all} exercises have passed.{next}");
    }
    if state.is_untouched() {
        let (text, answer) = (&state.task.text_path, &state.task.answer_path);
        return format!("{points} This is the file to begin with: read {text}, and edit {answer}.");
    }
    points
}

fn part_line(state: &LearnState, index: usize, part: &PartResult) -> String {
    let count = state.parts.len();
    let points = format!("{} of {} points", part.points, part.maximum);
    let result = match part.state {
        PartState::Passed => format!("passed, {points}"),
        PartState::Failed => format!("failed, {points}"),
        PartState::NotRun if part.schedules.is_some() => {
            "runs after the parts above pass".to_owned()
        }
        PartState::NotRun => "not run".to_owned(),
        PartState::Unknown => "not known, because the host failed".to_owned(),
    };
    let place = match state.task.lines.get(index) {
        Some(line) => format!(", task.md line {line}"),
        None => String::new(),
    };
    let number = index + 1;
    format!("Part {number} of {count}, {}: {result}{place}.", part.title)
}

fn failure(state: &LearnState, part: &PartResult) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(counts) = part.schedules
        && let Some(seed) = counts.first_failing_seed
    {
        let passed = counts.passed;
        lines.push(format!(
            "  {passed} schedules passed, then the one with seed {seed} failed."
        ));
    }
    lines.push(format!("  Reason: {}.", part.message));
    let Some(run) = &part.run else { return lines };
    if let Some(earlier) = &run.earlier_mismatch {
        lines.push("  Before that, another command printed other lines.".to_owned());
        lines.extend(mismatch(state, &earlier.step, &earlier.mismatch));
    }
    match (&run.failed_step, &run.mismatch) {
        (Some(step), Some(entry)) => lines.extend(mismatch(state, step, entry)),
        (Some(step), None) => lines.push(command(step)),
        _ => {}
    }
    let sentence = run.unexpected_success.iter();
    lines.extend(sentence.map(|sentence| format!("  {sentence}")));
    for location in &run.source_locations {
        let (file, line, function) = (&location.file, location.line, &location.function);
        let task = match &*location.task {
            "" => "The CPU",
            task => task,
        };
        let source = location.source.trim();
        lines.push(format!(
            "  {task} was at {file} line {line}, in {function}: {source}"
        ));
    }
    if run.mismatch.is_none() {
        let log = run.kernel_log.iter().take(LOG_LINES);
        lines.extend(log.map(|line| format!("  Log: {line}")));
    }
    lines
}

fn command(step: &FailedStep) -> String {
    format!("  Command, task.md line {}: {}", step.line, step.command)
}

fn mismatch(state: &LearnState, step: &FailedStep, entry: &MismatchEntry) -> Vec<String> {
    let mut lines = vec![command(step)];
    let rows = rows(&entry.expected, &entry.printed);
    let mut differences = 0;
    let mut place = None;
    for (number, row) in (1..).zip(&rows) {
        let DiffRow::Differs { expected, printed } = row else {
            continue;
        };
        differences += 1;
        if differences > DIFFERENCES {
            continue;
        }
        let or_nothing = |line: &Option<String>| line.clone().unwrap_or("nothing".to_owned());
        lines.push(format!(
            "  Line {number}, expected: {}",
            or_nothing(expected)
        ));
        lines.push(format!("  Line {number}, printed: {}", or_nothing(printed)));
        place = place.or_else(|| state.printed_by(printed.as_ref()?));
    }
    if differences > DIFFERENCES {
        let more = differences - DIFFERENCES;
        lines.push(format!("  {more} more lines differ."));
    }
    let (status, expected) = (entry.status, entry.expected_status);
    if status != expected {
        lines.push(format!("  Exit status {status}, expected {expected}."));
    }
    if let Some(place) = place {
        let (file, line) = (state.answer_file(), place.number);
        lines.push(format!("  Printed by {file} line {line}: {}", place.text));
    }
    lines
}
