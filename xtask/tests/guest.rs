//! What becomes of lessons that go wrong, in real guests.
//!
//! These tests use the kernel that `cargo xtask build` has made, and make it
//! if it is not there.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

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
struct Clone {
    folder: tempfile::TempDir,
}

/// What an xtask came to.
struct Ended {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Clone {
    fn new(module: &str, console: &str) -> Result<Self> {
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
        std::fs::write(lessons.join("probe/probe.rs"), module)?;
        std::fs::write(
            lessons.join("probe/README.md"),
            format!("# probe\n\n```console\n{console}```\n"),
        )?;
        Ok(Self { folder })
    }

    fn xtask(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(args)
            .arg("--no-install")
            .env("KMODLAB_WORKSPACE", self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Adds the twin in C.
    fn with_twin(self, twin: &str) -> Result<Self> {
        let folder = self.folder.path().join("modules/lessons/probe/c");
        std::fs::create_dir(&folder)?;
        std::fs::write(folder.join("probe.c"), twin)?;
        Ok(self)
    }

    /// Plays the lesson in Rust.
    fn test(&self) -> Result<Ended> {
        self.run(&["test", "--lang", "rust", "probe"])
    }

    fn run(&self, args: &[&str]) -> Result<Ended> {
        let output = self.xtask(args).output()?;
        Ok(Ended {
            status: output.status.code().context("no status")?,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

impl Ended {
    /// Holds if the status and all of `parts` are there.
    fn expect(&self, status: i32, parts: &[&str]) -> Result<()> {
        let Self {
            status: got,
            stdout,
            stderr,
        } = self;
        ensure!(
            *got == status,
            "status {got}, not {status}\n{stdout}{stderr}"
        );
        for part in parts {
            ensure!(
                stdout.contains(part) || stderr.contains(part),
                "{part:?} is missing\n{stdout}{stderr}"
            );
        }
        Ok(())
    }
}

fn plays(console: &str, status: i32, parts: &[&str]) -> Result<()> {
    Clone::new(MODULE, console)?.test()?.expect(status, parts)
}

#[test]
fn a_module_that_comes_and_goes_passes() -> Result<()> {
    plays(
        "$ insmod probe.ko\n$ lsmod | grep -c probe\n1\n$ rmmod probe\n",
        0,
        &["\n1 passed, 0 failed, 0 skipped\n"],
    )
}

#[test]
fn a_difference_is_shown_with_its_place_and_a_way_to_try_it() -> Result<()> {
    plays(
        "$ echo one\nuno\n",
        1,
        &[
            "modules/lessons/probe/README.md:4",
            "echo one",
            "uno",
            "cargo xtask qemu probe",
            "\n0 passed, 1 failed, 0 skipped\n",
        ],
    )
}

#[test]
fn a_panic_is_a_panic() -> Result<()> {
    plays("$ echo c > /proc/sysrq-trigger\n", 1, &["panic", "sysrq"])
}

#[test]
fn a_lesson_that_waits_for_ever_is_a_hang() -> Result<()> {
    plays("$ sleep 100000\n", 1, &["hang", "sleep 100000"])
}

#[test]
fn a_lesson_that_runs_for_ever_is_a_hang() -> Result<()> {
    plays(
        "$ while :; do :; done\n",
        1,
        &["hang", "while :; do :; done"],
    )
}

#[test]
fn a_lost_shell_is_told_with_the_command() -> Result<()> {
    plays("$ true\n$ kill -9 $$\n", 1, &["shell", "kill -9 $$"])
}

#[test]
fn a_module_that_stays_is_left_over() -> Result<()> {
    plays("$ insmod probe.ko\n", 1, &["left", "probe"])
}

#[test]
fn a_guest_that_never_comes_to_the_lesson_is_lost() -> Result<()> {
    let clone = Clone::new(MODULE, "$ true\n")?;
    let init = clone.folder.path().join("initramfs/init");
    std::fs::write(&init, "#!/bin/sh\nwhile :; do sleep 1; done\n")?;
    clone
        .test()?
        .expect(1, &["lost", "\n0 passed, 1 failed, 0 skipped\n"])
}

#[test]
fn a_module_whose_init_fails_says_so() -> Result<()> {
    let module = MODULE.replace("Ok(Probe)", "Err(EBUSY)");
    let console = "$ insmod probe.ko\n? 16\n\
                   insmod: can't insert 'probe.ko': Device or resource busy\n";
    let clone = Clone::new(&module, console)?;
    clone.test()?.expect(0, &["1 passed"])
}

#[test]
fn a_module_that_does_not_compile_is_the_lessons_failure() -> Result<()> {
    let module = MODULE.replace("Ok(Probe)", "Ok(Prober)");
    let ended = Clone::new(&module, "$ true\n")?.test()?;
    ended.expect(
        1,
        &[
            "does not compile",
            "modules/lessons/probe/probe.rs:16",
            "Prober",
        ],
    )
}

#[test]
fn a_malformed_block_is_told_with_file_and_line() -> Result<()> {
    plays(
        "no command\n$ true\n",
        1,
        &["modules/lessons/probe/README.md:4"],
    )
}

#[test]
fn unknown_names_are_told_with_the_names_there_are() -> Result<()> {
    let clone = Clone::new(MODULE, "$ true\n")?;
    let run = |args: &[&str]| clone.run(args);
    run(&["test", "prob"])?.expect(2, &["prob", "probe"])?;
    run(&["qemu", "nothing"])?.expect(2, &["nothing", "probe"])?;
    run(&["build", "--kernel", "5.4"])?.expect(2, &["5.4", "6.7.9", "6.12"])
}

/// The twin, which says something that the other does not.
const TWIN: &str = r#"// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>

static int __init probe_init(void)
{
	pr_info("this is C\n");
	return 0;
}

static void __exit probe_exit(void)
{
}

module_init(probe_init);
module_exit(probe_exit);

MODULE_LICENSE("GPL");
"#;

#[test]
fn each_language_is_played_in_a_guest_of_its_own() -> Result<()> {
    let console = "$ insmod probe.ko\n$ dmesg | grep -c 'this is C'\n1\n$ rmmod probe\n";
    let clone = Clone::new(MODULE, console)?.with_twin(TWIN)?;
    clone.run(&["test"])?.expect(
        1,
        &[
            "probe (rust)  FAILED",
            "probe (c)     ok",
            "\n1 passed, 1 failed, 0 skipped\n",
        ],
    )?;
    clone
        .run(&["test", "--lang", "c"])?
        .expect(0, &["probe (c)  ok", "\n1 passed, 0 failed, 0 skipped\n"])
}

#[test]
fn a_twin_that_is_not_there_is_skipped_unless_it_was_asked_for() -> Result<()> {
    let clone = Clone::new(MODULE, "$ true\n")?;
    let reason = "no C twin: modules/lessons/probe/c/probe.c is not there";
    clone.run(&["test", "probe"])?.expect(
        0,
        &[
            "probe (rust)  ok",
            "probe (c)     --",
            reason,
            "\n1 passed, 0 failed, 1 skipped\n",
        ],
    )?;
    for command in ["test", "qemu"] {
        clone
            .run(&[command, "--lang", "c", "probe"])?
            .expect(2, &[reason])?;
    }
    Ok(())
}

#[test]
fn a_twin_that_does_not_compile_is_the_lessons_failure() -> Result<()> {
    let twin = TWIN.replace("return 0;", "return nothing;");
    let clone = Clone::new(MODULE, "$ true\n")?.with_twin(&twin)?;
    clone.run(&["test", "--lang", "c"])?.expect(
        1,
        &[
            "does not compile",
            "\nmodules/lessons/probe/c/probe.c:7:9: error:",
            "nothing",
        ],
    )
}

/// Starts a test that would never end, waits until its guest runs, sends
/// `signal` to xtask and waits until QEMU is gone.
fn ends_with_xtask(signal: Signal) -> Result<Option<i32>> {
    let clone = Clone::new(MODULE, "$ while :; do :; done\n")?;
    // What is made first must not be in the way.
    clone.xtask(&["build"]).output()?;
    let (terminal, writer) = std::io::pipe()?;
    let mut xtask = clone
        .xtask(&["test", "probe"])
        .stdout(Stdio::null())
        .stderr(writer)
        .process_group(0)
        .spawn()?;
    let pid = Pid::from_raw(i32::try_from(xtask.id())?).context("a process number")?;
    let qemu = wait_for(|| qemu_below(xtask.id()))?;
    // Nobody can read any more what xtask says of its end: a closed terminal.
    drop(terminal);
    kill_process(pid, signal)?;
    let status = xtask.wait()?;
    wait_for(|| (!Path::new("/proc").join(&qemu).exists()).then_some(()))?;
    Ok(status.code())
}

#[test]
fn qemu_ends_with_an_interrupted_xtask() -> Result<()> {
    assert_eq!(ends_with_xtask(Signal::INT)?, Some(130));
    Ok(())
}

#[test]
fn qemu_ends_with_an_xtask_whose_terminal_is_closed() -> Result<()> {
    assert_eq!(ends_with_xtask(Signal::HUP)?, Some(130));
    Ok(())
}

#[test]
fn qemu_ends_with_a_killed_xtask() -> Result<()> {
    assert_eq!(ends_with_xtask(Signal::KILL)?, None);
    Ok(())
}

/// The process number of a QEMU that descends from `ancestor`.
fn qemu_below(ancestor: u32) -> Option<String> {
    // A child is listed with the thread that started it.
    let children = |pid: &str| -> Vec<String> {
        let mut text = String::new();
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            if let Ok(mut file) = std::fs::File::open(task.path().join("children")) {
                let _ = file.read_to_string(&mut text);
            }
        }
        text.split_whitespace().map(str::to_owned).collect()
    };
    let mut below = children(&ancestor.to_string());
    while let Some(pid) = below.pop() {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name.starts_with("qemu-system") {
            return Some(pid);
        }
        below.extend(children(&pid));
    }
    None
}

fn wait_for<T>(mut found: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = found() {
            return Ok(value);
        }
        ensure!(Instant::now() < deadline, "waited in vain");
        std::thread::yield_now();
    }
}
