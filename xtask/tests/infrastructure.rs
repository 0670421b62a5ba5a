//! A machine that fails is never a lesson's failure.
//!
//! These tests use the kernel that `cargo xtask build` has made, and make it
//! if it is not there. QEMU is run through a script that stands before it in
//! the path, and that plays the machine's fault.

#[path = "common/copy.rs"]
mod copy;
#[path = "common/test_modules.rs"]
mod test_modules;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

const QEMU: &str = "qemu-system-x86_64";

/// A clone with one lesson, and a QEMU of its own.
struct Faulty {
    folder: tempfile::TempDir,
}

impl Faulty {
    /// The lesson's commands; and a script for a guest that is to start, where
    /// `$QEMU` is the real one and `$FOLDER` is the clone.
    fn new(console: &str, script: &str) -> Result<Self> {
        let folder = test_modules::clone_with(&["prints_marks"])?;
        std::fs::write(
            folder.path().join("modules/lessons/prints_marks/README.md"),
            format!("# prints_marks\n\n```console\n{console}```\n"),
        )?;
        let real = real_qemu()?;
        // xtask asks QEMU for its version too.
        let script = format!(
            "#!/bin/sh\nQEMU='{}' FOLDER='{}'\ncase $* in\n*-version*) exec \"$QEMU\" \"$@\" ;;\nesac\n{script}\n",
            real.display(),
            folder.path().display(),
        );
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin)?;
        std::fs::write(bin.join(QEMU), script)?;
        std::fs::set_permissions(bin.join(QEMU), std::fs::Permissions::from_mode(0o755))?;
        Ok(Self { folder })
    }

    /// Starts `xtask test` on the lesson in Rust.
    fn start(&self) -> Result<Child> {
        let path = std::env::var("PATH")?;
        let bin = self.folder.path().join("bin");
        Ok(Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["test", "--no-install", "--lang", "rust", "prints_marks"])
            .env("KMODLAB_WORKSPACE", self.folder.path())
            .env("PATH", format!("{}:{path}", bin.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?)
    }
}

fn real_qemu() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").context("no PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(QEMU))
        .find(|qemu| qemu.is_file())
        .context("no QEMU in the path")
}

/// Status 69, and words that leave the lesson out of it.
fn ends_as_the_machines_fault(xtask: Child, words: &[&str]) -> Result<()> {
    let output = xtask.wait_with_output()?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.code() == Some(69),
        "{}\n{stdout}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let always = [
        "  infrastructure: not judged: ",
        "The lesson was not judged. `cargo xtask doctor` looks at the machine.",
        "\n0 passed, 1 failed, 0 skipped\n",
    ];
    for words in always.iter().chain(words) {
        ensure!(stdout.contains(words), "{words:?} is missing\n{stdout}");
    }
    Ok(())
}

#[test]
fn a_qemu_that_does_not_start() -> Result<()> {
    let faulty = Faulty::new("$ true\n", "echo 'cannot get memory' >&2; exit 1")?;
    ends_as_the_machines_fault(
        faulty.start()?,
        &["QEMU failed (exit status: 1)", "  cannot get memory"],
    )
}

#[test]
fn a_qemu_that_the_host_does_not_know_how_to_run() -> Result<()> {
    let faulty = Faulty::new("$ true\n", "exec \"$QEMU\" -nonsense")?;
    ends_as_the_machines_fault(faulty.start()?, &["QEMU failed", "nonsense"])
}

/// The kernel kills who takes the most memory when there is none left.
#[test]
fn a_qemu_that_is_killed_in_the_middle_of_a_lesson() -> Result<()> {
    let faulty = Faulty::new(
        "$ while :; do :; done\n",
        "echo $$ > \"$FOLDER/starting\"; mv \"$FOLDER/starting\" \"$FOLDER/pid\"\n\
         exec \"$QEMU\" \"$@\"",
    )?;
    let xtask = faulty.start()?;
    // A boot takes about one second of CPU time, the lesson takes all there is.
    // (The first QEMU may be one whose guest is saved.)
    let ticks = 3 * rustix::param::clock_ticks_per_second();
    let pid = wait_for(|| {
        let pid = std::fs::read_to_string(faulty.folder.path().join("pid")).ok()?;
        let pid: i32 = pid.trim().parse().ok()?;
        (cpu_ticks(pid)? >= ticks).then_some(pid)
    })?;
    kill_process(Pid::from_raw(pid).context("a number")?, Signal::KILL)?;
    ends_as_the_machines_fault(xtask, &["not judged: QEMU was killed by signal 9"])
}

/// The CPU time of a process, by fields 14 and 15 of proc_pid_stat(5).
fn cpu_ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    let stat = stat.ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let times = fields.split(' ').skip(11).take(2);
    Some(times.filter_map(|time| time.parse::<u64>().ok()).sum())
}

/// Waits for what must come; the limit is only there to end a broken test.
fn wait_for<T>(mut found: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(value) = found() {
            return Ok(value);
        }
        ensure!(Instant::now() < deadline, "waited in vain");
        std::thread::yield_now();
    }
}
