//! The whole suite: how fast it is, whether it repeats, what memory it takes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::figures::{Bench, figure};
use crate::measure;
use crate::results::{Aim, Figure};
use xtask::lesson::verdict::Verdict;
use xtask::modules::Language;
use xtask::play::outcome::Outcome;
use xtask::play::plan::plan;
use xtask::play::{self, Manner, Time};

/// All that the guests of a suite said, by the file that it is kept in.
type Logs = BTreeMap<PathBuf, Vec<u8>>;

/// One run of the suite.
struct Suite {
    /// Seconds on the wall.
    wall: f64,
    /// Seconds on the clocks of all guests.
    guest: f64,
    logs: Logs,
}

impl Bench<'_> {
    /// Every lesson in both languages, side by side.
    pub fn suite(&self) -> Result<Vec<Figure>> {
        let test = || measure::xtask(self.session.workspace.root(), &self.args("test"));
        test()?; // what is made once is made
        let command = self.times(|| measure::wall(test))?;
        let mut first: Option<Logs> = None;
        let (mut ratios, mut differing) = (Vec::new(), Vec::new());
        let (memory, suites) = with_memory_watched(|| -> Result<Vec<Suite>> {
            (0..self.runs.max(2)).map(|_| self.one_suite()).collect()
        });
        for Suite { wall, guest, logs } in suites? {
            ratios.push(guest / wall);
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

    fn one_suite(&self) -> Result<Suite> {
        let started = Instant::now();
        let languages = [Language::Rust, Language::C];
        let plays = plan(self.lessons, &languages, None);
        let manner = Manner {
            time: Time::Virtual,
            seeds: None,
            record: None,
            repeat: 1,
            timeline: false,
            fail_fast: false,
            keep_output: false,
            kernel_options: "",
        };
        let outcomes = play::all(self.session, self.prepared, &plays, manner, &|_, _| ());
        let wall = started.elapsed().as_secs_f64();
        let before = self.lived_before()?;
        let mut suite = Suite {
            wall,
            guest: 0.0,
            logs: Logs::new(),
        };
        for outcome in &outcomes {
            let Outcome {
                verdict,
                guest_seconds,
                log,
                ..
            } = outcome;
            let Some(log) = log else { continue };
            ensure!(
                *verdict == Verdict::Pass,
                "{} came to {}",
                outcome.label(),
                verdict.name()
            );
            suite.guest += guest_seconds.context("a guest logged nothing")? - before;
            let said =
                std::fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
            suite.logs.insert(log.clone(), said);
        }
        Ok(suite)
    }
}

/// How many lines of the guests' logs and consoles, time stamps included, are
/// not the same.
fn differing_lines(one: &Logs, other: &Logs) -> f64 {
    let lines = |said: Option<&Vec<u8>>| -> Vec<Vec<u8>> {
        let lines = said.map(|said| said.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
        lines.into_iter().flatten().collect()
    };
    let mut differing: u32 = 0;
    for (log, said) in one {
        let (one, other) = (lines(Some(said)), lines(other.get(log)));
        for number in 0..one.len().max(other.len()) {
            differing += u32::from(one.get(number) != other.get(number));
        }
    }
    f64::from(differing)
}

/// Does `work`; returns the most memory in MiB that one QEMU below this process
/// was seen to have had meanwhile (`VmHWM` of proc_pid_status(5)).
fn with_memory_watched<T>(work: impl FnOnce() -> T) -> (f64, T) {
    /// How often QEMUs are looked at; they live for some tenths of a second.
    const INTERVAL: Duration = Duration::from_millis(10);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = 0_u32;
            while !done.load(Ordering::Relaxed) {
                most = most.max(memory_of_qemus().unwrap_or(0));
                std::thread::sleep(INTERVAL);
            }
            f64::from(most) / 1024.0
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        (watcher.join().unwrap_or(f64::NAN), result)
    })
}

/// The most KiB that a QEMU below this process has had.
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
    children("self")
        .iter()
        .flat_map(|guard| children(guard))
        .filter_map(|tool| {
            std::fs::read_to_string(Path::new("/proc").join(tool).join("status")).ok()
        })
        .filter(|status| status.starts_with("Name:\tqemu"))
        .filter_map(|status| {
            let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
            line.split_whitespace().nth(1)?.parse().ok()
        })
        .max()
}
