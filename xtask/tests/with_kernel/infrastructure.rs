//! A failing host is never a lesson's failure. A script in QEMU's place simulates
//! the fault.

use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Result, ensure};
use rustix::process::Signal;

use crate::lab::{TestClone, fake_qemu, kill, wait_for};

/// A clone with one lesson, and a fake QEMU.
struct Faulty {
    clone: TestClone,
    path: String,
}

impl Faulty {
    /// Makes a clone whose lesson has this console block. `script` runs whenever a
    /// guest starts; `$QEMU` in it is the real QEMU, and `$FOLDER` is the clone.
    fn new(console: &str, script: &str) -> Result<Self> {
        let clone = TestClone::probe(console)?;
        // xtask also runs QEMU for its version.
        let script = format!(
            "FOLDER='{}'\ncase $* in *-version*) ;; *) {script} ;; esac",
            clone.path("").display(),
        );
        let path = fake_qemu(&clone.path("bin"), &script)?;
        Ok(Self { clone, path })
    }

    /// Starts `xtask test` on the lesson in Rust.
    fn start(&self) -> Result<Child> {
        self.start_with(&[])
    }

    fn start_with(&self, options: &[&str]) -> Result<Child> {
        let words = ["test", "--lang", "rust", "probe"];
        let mut xtask = self.clone.xtask(&words);
        Ok(xtask
            .args(options)
            .env("PATH", &self.path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?)
    }
}

/// Checks that xtask ends with status 69, blames the host, and prints `words`.
fn ends_as_the_hosts_fault(xtask: Child, words: &[&str]) -> Result<()> {
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
        "The test case was not judged. `cargo xtask doctor` checks the host.",
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
    ends_as_the_hosts_fault(
        faulty.start()?,
        &["QEMU failed (exit status: 1)", "  cannot get memory"],
    )
}

#[test]
fn a_qemu_that_rejects_an_option() -> Result<()> {
    let faulty = Faulty::new("$ true\n", "exec \"$QEMU\" -nonsense")?;
    ends_as_the_hosts_fault(faulty.start()?, &["QEMU failed", "nonsense"])
}

/// As the kernel's OOM killer kills the process with the most memory.
#[test]
fn a_qemu_that_is_killed_in_the_middle_of_a_lesson() -> Result<()> {
    ends_with_a_signal(Signal::KILL, "not judged: QEMU was killed by signal 9")
}

/// As an administrator or a shutdown of the host ends processes: QEMU ends with status 0.
#[test]
fn a_qemu_that_is_asked_to_end_in_the_middle_of_a_lesson() -> Result<()> {
    ends_with_a_signal(
        Signal::TERM,
        "not judged: QEMU failed (a signal from outside ended it)",
    )
}

fn ends_with_a_signal(signal: Signal, message: &str) -> Result<()> {
    let faulty = Faulty::new(
        "$ while :; do :; done\n",
        "echo $$ > \"$FOLDER/starting\"; mv \"$FOLDER/starting\" \"$FOLDER/pid\"",
    )?;
    // Otherwise the first QEMU may be one that makes a snapshot, without which the lesson runs all the same.
    let xtask = faulty.start_with(&["--cold"])?;
    // A boot takes one to three seconds of CPU time; the lesson takes as much as it gets.
    let ticks = 3 * rustix::param::clock_ticks_per_second();
    let pid = wait_for("the lesson", || {
        let pid = std::fs::read_to_string(faulty.clone.path("pid")).ok()?;
        let pid: u32 = pid.trim().parse().ok()?;
        (cpu_ticks(pid)? >= ticks).then_some(pid)
    })?;
    kill(pid, signal)?;
    ends_as_the_hosts_fault(xtask, &[message])
}

/// Returns the CPU time of a process in clock ticks: fields 14 and 15 of
/// proc_pid_stat(5).
fn cpu_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    let stat = stat.ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let times = fields.split(' ').skip(11).take(2);
    Some(times.filter_map(|time| time.parse::<u64>().ok()).sum())
}
