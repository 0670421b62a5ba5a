//! What `kernel_ext` promises, in real guests: the test modules below
//! `modules/tests`, each with a text that is its transcript, as a lesson has.

use anyhow::{Result, ensure};

use crate::lab::{TestClone, XtaskOutput};

/// Plays a test module.
fn play(name: &str, language: &str) -> Result<XtaskOutput> {
    TestClone::with_tests(&[name])?.run(&["test", name, "--lang", language])
}

fn passes(name: &str) -> Result<()> {
    passes_in(name, "rust")
}

fn passes_in(name: &str, language: &str) -> Result<()> {
    play(name, language)?.expect(0, &["\n1 passed, 0 failed"])
}

#[test]
fn files_and_folders_in_proc() -> Result<()> {
    passes("proc_files")
}

#[test]
fn threads() -> Result<()> {
    passes("test_kthread")
}

#[test]
fn a_thread_that_cannot_be_made() -> Result<()> {
    passes("kthread_half_way")
}

#[test]
fn wait_queues() -> Result<()> {
    passes("test_wait")
}

#[test]
fn a_parameter_that_is_a_call() -> Result<()> {
    passes("param_call")
}

/// The pair of modules that the bench compares.
#[test]
fn wake_ups_there_and_back() -> Result<()> {
    passes_in("wake_up", "rust")?;
    passes_in("wake_up", "c")
}

#[test]
fn completions() -> Result<()> {
    passes("test_completion")
}

/// `insmod` fails, the other entry is left alone, and what was to be behind
/// the entry is dropped. The kernel warns, which fails the test as a lesson;
/// so what was printed is looked up in the guest's record.
#[test]
fn a_name_in_proc_that_is_taken() -> Result<()> {
    let ended = play("proc_name_taken", "rust")?;
    ended.expect(1, &["kernel-report", "proc_register", "0 passed, 1 failed"])?;
    let record = ended.artifact("kernel.log")? + &ended.artifact("shell.log")?;
    let times = |part: &str| record.matches(part).count();
    for part in [
        "insmod: can't insert 'proc_name_taken.ko': Cannot allocate memory",
        "lines of the other entry: 1",
    ] {
        ensure!(times(part) == 1, "{part:?} is missing\n{record}");
    }
    // busybox's insmod tries by another system call when the first has failed.
    let warned = times("proc_dir_entry '/proc/cmdline' already registered");
    let dropped = times("proc_name_taken: nothing dropped");
    ensure!(
        warned > 0 && warned == dropped,
        "{warned} attempts, {dropped} dropped\n{record}"
    );
    Ok(())
}
