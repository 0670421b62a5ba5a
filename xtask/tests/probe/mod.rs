//! A copy of the clone with one lesson, and the processes of an xtask.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// A module that does nothing.
const MODULE: &str = r#"// SPDX-License-Identifier: GPL-2.0
use kernel::prelude::*;

module! {
    type: Probe,
    name: "probe",
    author: "kmodlab",
    description: "Does nothing",
    license: "GPL",
}

struct Probe;

impl kernel::Module for Probe {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Probe)
    }
}
"#;

/// A copy of the clone with the one lesson `probe`.
pub struct Probe {
    folder: tempfile::TempDir,
}

/// What an xtask came to.
pub struct Ended {
    pub status: i32,
    pub printed: String,
}

impl Probe {
    /// A clone whose lesson has this `console` block.
    pub fn new(console: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for part in ["kernel-config", "modules", "initramfs"] {
            let copied = Command::new("cp")
                .arg("-r")
                .arg(original.join(part))
                .arg(folder.path())
                .status()?;
            ensure!(copied.success(), "cp failed");
        }
        let lessons = folder.path().join("modules/lessons");
        std::fs::remove_dir_all(&lessons)?;
        std::fs::create_dir_all(lessons.join("probe"))?;
        std::fs::write(lessons.join("probe/probe.rs"), MODULE)?;
        std::fs::write(
            lessons.join("probe/README.md"),
            format!("# probe\n\n```console\n{console}```\n"),
        )?;
        Ok(Self { folder })
    }

    /// An xtask on this clone.
    pub fn xtask(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(args)
            .arg("--no-install")
            .env("KMODLAB_WORKSPACE", self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs an xtask on this clone to its end.
    pub fn run(&self, args: &[&str]) -> Result<Ended> {
        let output = self.xtask(args).output()?;
        let [stdout, stderr] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        Ok(Ended {
            status: output.status.code().context("no status")?,
            printed: format!("{stdout}{stderr}"),
        })
    }
}

impl Ended {
    /// Holds if the status and all of `parts` are there.
    pub fn expect(&self, status: i32, parts: &[&str]) -> Result<()> {
        let Self {
            status: got,
            printed,
        } = self;
        ensure!(*got == status, "status {got}, not {status}\n{printed}");
        for part in parts {
            ensure!(printed.contains(part), "{part:?} is missing\n{printed}");
        }
        Ok(())
    }
}

/// The numbers of all processes below `ancestor`.
pub fn processes_below(ancestor: u32) -> Vec<u32> {
    // A child is listed with the thread that started it.
    let children = |pid: u32| -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
        tasks
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
            .flat_map(|text| {
                let numbers = text.split_whitespace().filter_map(|pid| pid.parse().ok());
                numbers.collect::<Vec<u32>>()
            })
            .collect()
    };
    let mut all = Vec::new();
    let mut below = children(ancestor);
    while let Some(pid) = below.pop() {
        all.push(pid);
        below.extend(children(pid));
    }
    all
}

/// The one of `pids` whose name begins with `name`.
pub fn named(pids: &[u32], name: &str) -> Option<u32> {
    let is = |pid: &&u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|comm| comm.starts_with(name))
    };
    pids.iter().find(is).copied()
}

/// Whether a process is there that has not ended.
pub fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| Some(!stat.rsplit_once(") ")?.1.starts_with('Z')))
        .unwrap_or(false)
}

/// Waits until something is there, for half a minute at the most.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = found() {
            return Ok(value);
        }
        ensure!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::yield_now();
    }
}
