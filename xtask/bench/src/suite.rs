//! The whole suite: its speed, whether it repeats, and the memory of its guests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use xtask::report::json::{RunEntry, SuiteDocument};

use crate::figures::{Bench, figure};
use crate::measure;
use crate::results::{Aim, Figure};

/// The log of each guest of a suite, by the name of its test case.
type Logs = BTreeMap<String, Vec<u8>>;

/// One run of the suite.
struct SuiteRun {
    /// Duration of all test cases in seconds.
    wall: f64,
    /// Sum of the readings of all guests' clocks at the end.
    guest: f64,
    logs: Logs,
}

impl Bench<'_> {
    /// Measures all lessons in both languages, side by side.
    pub fn suite(&self) -> Result<Vec<Figure>> {
        let test = || self.xtask(&["test"]);
        test()?; // builds, and takes the snapshot
        let command = self.times(|| measure::wall(test))?;
        let before = self.clock_at_begin()?;
        let mut first: Option<Logs> = None;
        let (mut ratios, mut differing) = (Vec::new(), Vec::new());
        let (memory, suites) = with_memory_watched(|| -> Result<Vec<SuiteRun>> {
            (0..self.runs.max(2)).map(|_| self.one_suite()).collect()
        });
        for SuiteRun { wall, guest, logs } in suites? {
            #[expect(clippy::cast_precision_loss, reason = "there are a few lessons")]
            let lived_before = before * logs.len() as f64;
            ratios.push((guest - lived_before) / wall);
            match &first {
                None => first = Some(logs),
                Some(first) => differing.push(differing_lines(first, &logs)),
            }
        }
        Ok(vec![
            figure(
                "suite, both languages, wall",
                "s",
                Some(Aim::AtMost(5.0)),
                command,
            ),
            figure(
                "suite, guest seconds a wall second",
                "ratio",
                Some(Aim::AtLeast(20.0)),
                ratios,
            ),
            figure(
                "suite, lines that differ from the first run",
                "lines",
                Some(Aim::AtMost(0.0)),
                differing,
            ),
            figure(
                "memory of a guest, as the host sees it",
                "MiB",
                Some(Aim::AtMost(150.0)),
                vec![memory],
            ),
        ])
    }

    /// Runs the suite once.
    fn one_suite(&self) -> Result<SuiteRun> {
        let SuiteDocument { stages, runs, .. } = measure::test(self.root(), &self.args(&[]))?;
        let stage = stages.iter().find(|stage| stage.name == "tests");
        let mut suite = SuiteRun {
            wall: stage.context("no stage `lessons`")?.duration_seconds,
            guest: 0.0,
            logs: Logs::new(),
        };
        for run in runs.iter().filter(|run| run.verdict != "skipped") {
            let RunEntry {
                lesson,
                language,
                verdict,
                ..
            } = run;
            let name = format!("{lesson} ({language})");
            ensure!(verdict == "pass", "{name}: {verdict}: {}", run.message);
            suite.guest += run.guest_clock_seconds.context("a guest logged nothing")?;
            let log = run.guest_log.as_ref().context("a guest has no log")?;
            let text = std::fs::read(log).with_context(|| format!("cannot read {log}"))?;
            suite.logs.insert(name, text);
        }
        Ok(suite)
    }
}

/// Counts the lines of the guests' logs, timestamps included, that differ.
fn differing_lines(one: &Logs, other: &Logs) -> f64 {
    let lines = |log: Option<&Vec<u8>>| -> Vec<Vec<u8>> {
        let lines = log.map(|log| log.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
        lines.into_iter().flatten().collect()
    };
    let mut differing: u32 = 0;
    for (name, log) in one {
        let (one, other) = (lines(Some(log)), lines(other.get(name)));
        for number in 0..one.len().max(other.len()) {
            differing += u32::from(one.get(number) != other.get(number));
        }
    }
    f64::from(differing)
}

/// Does `work`, and returns with its result the peak memory in MiB of the largest QEMU
/// below this process meanwhile (`VmHWM` of proc_pid_status(5)).
fn with_memory_watched<T>(work: impl FnOnce() -> T) -> (f64, T) {
    /// Time between two looks at the QEMUs, which live for some tenths of a second.
    const INTERVAL: Duration = Duration::from_millis(10);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut peak = 0_u32;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(memory_of_qemus().unwrap_or(0));
                std::thread::sleep(INTERVAL);
            }
            f64::from(peak) / 1024.0
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        (watcher.join().unwrap_or(f64::NAN), result)
    })
}

/// Returns the peak memory in KiB of the largest QEMU below this process.
fn memory_of_qemus() -> Option<u32> {
    let children = |process: &str| -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task"));
        tasks
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
            .flat_map(|pids| {
                pids.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let mut below = children("self");
    let mut peak = None;
    while let Some(pid) = below.pop() {
        below.extend(children(&pid));
        let status = std::fs::read_to_string(Path::new("/proc").join(&pid).join("status"));
        let of_qemu = status
            .ok()
            .filter(|status| status.starts_with("Name:\tqemu"));
        peak = peak.max(of_qemu.and_then(|status| {
            let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
            line.split_whitespace().nth(1)?.parse().ok()
        }));
    }
    peak
}
