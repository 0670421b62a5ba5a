//! What `kernel_ext` promises, in real guests: the test modules below
//! `modules/tests`, each with a text that is its transcript, as a lesson has.
//!
//! `common/play.rs` says which kernel is used, and how another is.

#[path = "common/copy.rs"]
mod copy;
#[path = "common/play.rs"]
mod play;
#[path = "common/test_modules.rs"]
mod test_modules;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// Plays a test module; gives the status and all that was printed.
fn play(name: &str, language: &str) -> Result<(i32, String)> {
    let clone = test_modules::clone_with(&[name])?;
    play::play(clone.path(), &[name, "--lang", language])
}

fn passes(name: &str) -> Result<()> {
    passes_in(name, "rust")
}

fn passes_in(name: &str, language: &str) -> Result<()> {
    let (status, printed) = play(name, language)?;
    ensure!(status == 0, "status {status}\n{printed}");
    ensure!(printed.contains("\n1 passed, 0 failed"), "{printed}");
    Ok(())
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
    let (status, printed) = play("proc_name_taken", "rust")?;
    ensure!(status == 1, "status {status}\n{printed}");
    for part in ["kernel-report", "proc_register", "0 passed, 1 failed"] {
        ensure!(printed.contains(part), "{part:?} is missing\n{printed}");
    }
    let known = printed
        .lines()
        .find_map(|line| line.strip_prefix("all that is known of it: "))
        .context("no record is named")?;
    let read = |name: &str| {
        let path = Path::new(known).join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let record = read("kernel.log")? + &read("shell.log")?;
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
