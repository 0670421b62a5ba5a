//! The narrowed schedule of a failing seed, for a person: a sentence, the source lines, and the
//! failing run beside its passing twin.

use std::io::{self, Write};
use std::path::Path;

use crate::run::{DelayPlace, Narrowed, NarrowedDelay, NarrowedRace, NarrowingResult, Pair};
use crate::schedule::interrupt;
use crate::text::{printable, shell_word};
use crate::timeline::{PairEvent, PairRow};

use super::details::clip;

/// Letters of an event in one of the two columns of a pair of runs.
const COLUMN: usize = 46;

/// Writes the result.
pub(super) fn print(
    out: &mut dyn Write,
    race: &NarrowedRace,
    kernel_options: &str,
) -> io::Result<()> {
    writeln!(out, "{}", sentence(race))?;
    let NarrowedRace {
        argument,
        language,
        seed,
        runs,
        result,
        lesson: _,
    } = race;
    let NarrowingResult::Narrowed(narrowed) = result else {
        return Ok(());
    };
    let Narrowed {
        schedule,
        delays,
        deciding,
        complete,
        pair,
    } = &**narrowed;
    for delay in delays {
        print_lines(out, delay)?;
    }
    match pair {
        Some(pair) => print_pair(out, pair)?,
        None if deciding.is_none() => writeln!(
            out,
            "  without one of these delays it fails in another way, so no passing run is shown"
        )?,
        None => {}
    }
    let text = shell_word(Path::new(&schedule.to_string()));
    writeln!(
        out,
        "  {} from seed {seed} in {runs} runs; to repeat:\n    \
         {} test {argument} --lang {language} --schedule {text}{kernel_options}",
        if *complete {
            "narrowed"
        } else {
            "narrowed, not to the end,"
        },
        crate::program::name(),
    )
}

/// Returns the result in a sentence.
pub(super) fn sentence(race: &NarrowedRace) -> String {
    let name = format!("{} ({})", race.lesson, race.language);
    match &race.result {
        NarrowingResult::Narrowed(narrowed) => {
            let clauses: Vec<String> = narrowed.delays.iter().map(clause).collect();
            format!("{name} fails if {}.", clauses.join(" and "))
        }
        NarrowingResult::WithoutDelays => {
            format!("{name} fails in the same way without any delay.")
        }
        NarrowingResult::Impossible(why) => {
            format!("{name}: seed {} could not be narrowed: {why}.", race.seed)
        }
    }
}

fn clause(delay: &NarrowedDelay) -> String {
    let NarrowedDelay {
        delay,
        duration_nanoseconds,
        place,
    } = delay;
    let task = printable(&delay.task);
    let milliseconds = rounded_milliseconds(*duration_nanoseconds);
    let passage = match delay.arrival {
        1 => String::new(),
        number => format!(", the {} time,", ordinal(number)),
    };
    if let (Some(line), Some(passed)) = (&place.line, &place.passed) {
        let passed = match passed.line == line.line {
            true => "a later one of the same line".to_owned(),
            false => format!("that at line {}", passed.line),
        };
        return format!(
            "the store of `{task}` at line {}{passage} becomes visible {milliseconds} ms after {passed}",
            line.line
        );
    }
    let place = match place {
        DelayPlace {
            line: Some(line),
            in_kernel: true,
            called,
            ..
        } => {
            let called = called.map_or(String::new(), |line| format!(", called at line {line}"));
            format!(
                "in the kernel's `{}` ({}:{}){called}",
                line.function, line.file, line.line
            )
        }
        DelayPlace {
            line: Some(line),
            line_before,
            within,
            ..
        } => match (line_before.as_ref().map(|line| line.number), within) {
            (Some(before), false) => format!("between line {before} and line {}", line.line),
            (Some(before), true) => format!("within line {}, after line {before}", line.line),
            (None, false) => format!("before line {}", line.line),
            (None, true) => format!("within line {}", line.line),
        },
        DelayPlace { line: None, .. } => format!(
            "at {:#}+{:#x}",
            rustc_demangle::demangle(&delay.function),
            delay.offset
        ),
    };
    match interrupt(&delay.task) {
        Some(interrupt) => format!("{interrupt} is delayed for {milliseconds} ms{passage} {place}"),
        None => format!("`{task}` is preempted for {milliseconds} ms{passage} {place}"),
    }
}

/// Formats nanoseconds as milliseconds with one digit that is not 0: `0.1`, `0.02`, `20`.
fn rounded_milliseconds(nanoseconds: u64) -> String {
    let digits = nanoseconds.checked_ilog10().unwrap_or(0);
    let unit = 10_u64.pow(digits);
    #[expect(clippy::cast_precision_loss, reason = "a delay is some milliseconds")]
    let milliseconds = ((nanoseconds + unit / 2) / unit * unit) as f64 / 1e6;
    milliseconds.to_string()
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// Writes the lines around a delay.
fn print_lines(out: &mut dyn Write, delay: &NarrowedDelay) -> io::Result<()> {
    let Some(line) = &delay.place.line else {
        return Ok(());
    };
    writeln!(out, "  {}:{}", line.file, line.line)?;
    let mut lines: Vec<(u32, &String)> = Vec::new();
    match &delay.place.passed {
        // A loop may have the later store on an earlier line.
        Some(passed) => lines.push((passed.line, &passed.source)),
        None => {
            let before = delay.place.line_before.as_ref();
            lines.extend(before.map(|before| (before.number, &before.text)));
        }
    }
    lines.push((line.line, &line.source));
    lines.sort_by_key(|(number, _)| *number);
    lines.dedup();
    for (number, text) in lines {
        writeln!(out, "{number:6} | {}", clip(text))?;
    }
    Ok(())
}

fn print_pair(out: &mut dyn Write, pair: &Pair) -> io::Result<()> {
    let cell = |event: Option<&PairEvent>| {
        let Some(PairEvent { micros, text }) = event else {
            return String::new();
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "a guest lives for hours at most"
        )]
        let milliseconds = *micros as f64 / 1e3;
        let cell = format!("{milliseconds:>8.3} {}", printable(text));
        match cell.chars().count() > COLUMN {
            true => cell.chars().take(COLUMN - 1).chain(['…']).collect(),
            false => cell,
        }
    };
    writeln!(
        out,
        "  {:COLUMN$} │       ms its passing twin, without the delay",
        "      ms the run that fails"
    )?;
    for PairRow { failing, passing } in &pair.timelines.rows() {
        let both = failing.as_ref().is_some_and(|event| event.micros < 0);
        let passing = match both {
            true => "         (the same)".to_owned(),
            false => cell(passing.as_ref()),
        };
        let failing = cell(failing.as_ref());
        writeln!(out, "  {failing:COLUMN$} │ {passing}")?;
    }
    if pair.observed {
        let why = "the delays are longer here, for the probes that report the lines";
        writeln!(out, "  ({why})")?;
    }
    Ok(())
}
