//! What several schedules of a play have shown, for a person.

use std::io::{self, Write};

use crate::lesson::compare::printable;
use crate::modules::Language;
use crate::schedule::findings::{Divergence, Findings, SuspectPoint};
use crate::symbols::SourceLocation;

use super::RaceFindings;
use super::details::clip;

/// Writes what tells those schedules that fail from those that pass.
pub(super) fn print(out: &mut dyn Write, found: &RaceFindings) -> io::Result<()> {
    let RaceFindings {
        lesson,
        language,
        kernel_options,
        findings,
        source_locations,
    } = found;
    let Findings {
        failed,
        passed,
        first_seed: first,
        suspects,
        divergence,
    } = findings;
    let of = failed + passed;
    writeln!(
        out,
        "{lesson} ({language}): {failed} of {of} schedules failed, the first with seed {first}"
    )?;
    for (suspect, spot) in suspects.iter().zip(source_locations) {
        place(out, findings, suspect, spot.as_ref())?;
    }
    match divergence {
        Some(divergence) => part(out, *first, divergence)?,
        None => writeln!(out, "  none has passed that could be compared with it")?,
    }
    let lang = match language {
        Language::Rust => "rust",
        Language::C => "c",
    };
    writeln!(
        out,
        "  the same again: cargo xtask test {lesson} --lang {lang} --seed {first}{kernel_options}\n"
    )
}

fn place(
    out: &mut dyn Write,
    findings: &Findings,
    suspect: &SuspectPoint,
    spot: Option<&SourceLocation>,
) -> io::Result<()> {
    let SuspectPoint {
        point,
        failed,
        passed,
        task,
        delay_nanoseconds,
    } = suspect;
    let there = match spot {
        Some(spot) => format!("{}:{}", spot.file, spot.line),
        None => format!(
            "{:#}+{:#x}",
            rustc_demangle::demangle(&point.function),
            point.offset
        ),
    };
    writeln!(
        out,
        "  a task was late at {there} in {failed} of {} that failed and {passed} of {} that passed",
        findings.failed, findings.passed
    )?;
    if let Some(SourceLocation { line, source, .. }) = spot {
        writeln!(out, "{line:6} | {}", clip(source))?;
    }
    if let (Some(task), Some(nanoseconds)) = (task, delay_nanoseconds) {
        #[expect(clippy::cast_precision_loss, reason = "it is some milliseconds")]
        let milliseconds = *nanoseconds as f64 / 1e6;
        let (task, first) = (clip(&printable(task)), findings.first_seed);
        writeln!(
            out,
            "    with seed {first}: {task}, by {milliseconds:.3} ms"
        )?;
    }
    Ok(())
}

fn part(out: &mut dyn Write, first: u32, divergence: &Divergence) -> io::Result<()> {
    let Divergence {
        passing_seed: passing,
        last_common: last,
        failing_next,
        passing_next,
    } = divergence;
    let line = |line: &Option<String>| match line {
        Some(line) => clip(&printable(line)),
        None => "(nothing more)".to_owned(),
    };
    if failing_next.is_none() && passing_next.is_none() {
        return writeln!(
            out,
            "  the kernel logged the same as with seed {passing}, which passed"
        );
    }
    match last {
        Some(_) => writeln!(
            out,
            "  the kernel's log is that of seed {passing}, which passed, up to\n    {}",
            line(last)
        )?,
        None => writeln!(
            out,
            "  the kernel's log is another than with any seed that passed, from the beginning"
        )?,
    }
    writeln!(out, "  then seed {first}:\n    {}", line(failing_next))?;
    writeln!(out, "  but seed {passing}:\n    {}", line(passing_next))
}
