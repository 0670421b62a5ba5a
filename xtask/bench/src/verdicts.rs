//! The time until the verdict on a dead guest, explained stacks included.

use anyhow::{Context as _, Result, ensure};
use xtask::report::json::RunEntry;

use crate::clone::ScratchClone;
use crate::figures::{Bench, figure};
use crate::measure;
use crate::results::{Aim, Figure};

/// A test module whose `rmmod` and whose thread wait for each other for ever.
const DEADLOCK: &str = "fails_deadlock";

/// A test module that panics in `insmod`.
const PANIC: &str = "fails_rust_panic";

impl Bench<'_> {
    /// Runs test modules that kill their guests.
    pub fn verdicts(&self) -> Result<Vec<Figure>> {
        let clone = ScratchClone::with_test_modules(self.root(), &[DEADLOCK, PANIC])?;
        let run = |name, verdict| -> Result<RunEntry> {
            let args = self.args(&[name, "--lang", "rust"]);
            let report = measure::test(clone.root(), &args)?;
            let run = report.runs.into_iter().next().context("no run")?;
            ensure!(run.verdict == verdict, "{name}: {}", run.verdict);
            Ok(run)
        };
        let deadlock = self.times(|| {
            let run = run(DEADLOCK, "hang")?;
            let stacks = run.source_locations.len();
            ensure!(stacks == 2, "a deadlock with {stacks} stacks");
            Ok(run.duration_seconds)
        })?;
        // The lesson consists of the `insmod` that panics.
        let panic = self.times(|| {
            let phases = run(PANIC, "panic")?.phases.context("no phases")?;
            Ok(phases.lesson_duration_seconds + phases.compare_duration_seconds)
        })?;
        Ok(vec![
            figure(
                "deadlocked rmmod to verdict, from the start",
                "s",
                Some(Aim::AtMost(5.0)),
                deadlock,
            ),
            figure(
                "insmod that panics to verdict",
                "s",
                Some(Aim::AtMost(1.0)),
                panic,
            ),
        ])
    }
}
