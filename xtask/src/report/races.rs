//! The comparison of the failing with the passing schedules of a test case, for a
//! person.

use std::io::{self, Write};

use crate::schedule::findings::{Divergence, Findings, SuspectPoint};
use crate::symbols::SourceLocation;
use crate::text::printable;

use super::details::clip;
use super::{RaceFindings, narrowed};

/// Writes the comparison.
pub(super) fn print(out: &mut dyn Write, race: &RaceFindings) -> io::Result<()> {
    let RaceFindings {
        lesson,
        origin,
        language,
        kernel_options,
        seed_options,
        findings,
        source_locations,
        narrowed,
    } = race;
    let Findings {
        failed,
        passed,
        first_seed,
        suspects,
        divergence,
    } = findings;
    if let Some(narrowed) = narrowed {
        narrowed::print(out, narrowed, kernel_options)?;
    }
    let all = failed + passed;
    writeln!(
        out,
        "{lesson} ({language}): {failed} of {all} schedules failed, the first with seed {first_seed}"
    )?;
    for (suspect, location) in suspects.iter().zip(source_locations) {
        print_suspect(out, findings, suspect, location.as_ref())?;
    }
    match divergence {
        Some(divergence) => print_divergence(out, *first_seed, divergence)?,
        None => writeln!(
            out,
            "  no schedule passed, so there is no log to compare with"
        )?,
    }
    writeln!(
        out,
        "  to repeat: {} test {} --lang {language} --seed {first_seed}{seed_options}{kernel_options}\n",
        crate::program::name(),
        origin.argument
    )
}

fn print_suspect(
    out: &mut dyn Write,
    findings: &Findings,
    suspect: &SuspectPoint,
    location: Option<&SourceLocation>,
) -> io::Result<()> {
    let SuspectPoint {
        point,
        failed,
        passed,
        task,
        delay_nanoseconds,
        is_store,
    } = suspect;
    let place = match location {
        Some(location) => format!("{}:{}", location.file, location.line),
        None => format!(
            "{:#}+{:#x}",
            rustc_demangle::demangle(&point.function),
            point.offset
        ),
    };
    writeln!(
        out,
        "  {failed} of {} failing and {passed} of {} passing schedules {} at {place}",
        findings.failed,
        findings.passed,
        match is_store {
            true => "held back the store",
            false => "delayed a task",
        }
    )?;
    if let Some(SourceLocation { line, source, .. }) = location {
        writeln!(out, "{line:6} | {}", clip(source))?;
    }
    if let (Some(task), Some(nanoseconds)) = (task, delay_nanoseconds) {
        #[expect(clippy::cast_precision_loss, reason = "a delay is some milliseconds")]
        let milliseconds = *nanoseconds as f64 / 1e6;
        writeln!(
            out,
            "    seed {} {} {} {} {milliseconds:.3} ms",
            findings.first_seed,
            if *is_store {
                "holds back that of"
            } else {
                "delays"
            },
            clip(&printable(task)),
            if *is_store { "for" } else { "by" }
        )?;
    }
    Ok(())
}

fn print_divergence(
    out: &mut dyn Write,
    failing_seed: u32,
    divergence: &Divergence,
) -> io::Result<()> {
    let Divergence {
        passing_seed,
        last_common,
        failing_next,
        passing_next,
    } = divergence;
    let line = |line: &Option<String>| match line {
        Some(line) => clip(&printable(line)),
        None => "(end of the log)".to_owned(),
    };
    if failing_next.is_none() && passing_next.is_none() {
        return writeln!(
            out,
            "  the kernel's log is the same as with seed {passing_seed}, which passed"
        );
    }
    match last_common {
        Some(last) => writeln!(
            out,
            "  the kernel's log is the same as with seed {passing_seed}, which passed, up to\n    {}",
            clip(&printable(last))
        )?,
        None => writeln!(
            out,
            "  the kernel's log differs from the first line on from the log of each passing seed"
        )?,
    }
    writeln!(
        out,
        "  next line with seed {failing_seed}:\n    {}\n  next line with seed {passing_seed}:\n    {}",
        line(failing_next),
        line(passing_next)
    )
}
