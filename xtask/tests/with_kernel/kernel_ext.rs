//! `kernel_ext` in real guests: the test modules below `modules/tests`, each with
//! a transcript of its own, as a lesson has.

use anyhow::{Result, ensure};

use crate::lab::{TestClone, XtaskOutput};

/// Runs a test module as a lesson.
fn run(name: &str, language: &str) -> Result<XtaskOutput> {
    TestClone::with_tests(&[name])?.run(&["test", name, "--lang", language])
}

fn passes(name: &str) -> Result<()> {
    passes_in(name, "rust")
}

fn passes_in(name: &str, language: &str) -> Result<()> {
    run(name, language)?.expect(0, &["\n1 passed, 0 failed"])
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
fn parameters() -> Result<()> {
    passes("test_param")
}

#[test]
fn a_parameter_that_is_a_call() -> Result<()> {
    passes("param_call")
}

/// The benchmark compares this pair of modules.
#[test]
fn wake_ups_there_and_back() -> Result<()> {
    passes_in("wake_up", "rust")?;
    passes_in("wake_up", "c")
}

#[test]
fn completions() -> Result<()> {
    passes("test_completion")
}

/// `insmod` fails, the other entry stays, and the new entry's value is dropped. The
/// kernel's warning fails the lesson, so the test reads the guest's log instead.
#[test]
fn a_name_in_proc_that_is_taken() -> Result<()> {
    let output = run("proc_name_taken", "rust")?;
    output.expect(1, &["kernel-report", "proc_register", "0 passed, 1 failed"])?;
    let record = output.artifact("kernel.log")? + &output.artifact("shell.log")?;
    let times = |part: &str| record.matches(part).count();
    for part in [
        "insmod: can't insert 'proc_name_taken.ko': Cannot allocate memory",
        "lines of the other entry: 1",
    ] {
        ensure!(times(part) == 1, "{part:?} is missing\n{record}");
    }
    let warned = times("proc_dir_entry '/proc/cmdline' already registered");
    let dropped = times("proc_name_taken: nothing dropped");
    ensure!(
        warned == 1 && dropped == 1,
        "{warned} attempts, {dropped} dropped\n{record}"
    );
    Ok(())
}
