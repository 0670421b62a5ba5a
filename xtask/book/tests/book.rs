//! The book of this clone: its pages, and what its options change.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result};

fn book(arguments: &[&str]) -> Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_kmodlab-book"))
        .args(arguments)
        .output()
        .context("cannot run the book's program")
}

fn read(folder: &Path, page: &str) -> Result<String> {
    std::fs::read_to_string(folder.join(page)).with_context(|| page.to_owned())
}

#[test]
fn the_book_has_a_page_for_each_text_and_no_broken_link() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("book");
    let report = folder.path().join("report.json");
    std::fs::write(
        &report,
        r#"{"schema": 3, "kernel": {"version": "6.12.117"}, "runs": [
            {"lesson": "kthread_run", "language": "rust", "verdict": "pass"},
            {"lesson": "kthread_run", "language": "c", "verdict": "hang"}]}"#,
    )?;
    let page = "<!doctype html><title>Timeline</title>";
    std::fs::write(folder.path().join("kthread_run-c.html"), page)?;
    let arguments = [
        "--out",
        &out.display().to_string(),
        "--ran",
        &report.display().to_string(),
        "--timelines",
        &folder.path().display().to_string(),
    ];
    let made = book(&arguments)?;
    let errors = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "{errors}");
    assert_eq!(
        String::from_utf8_lossy(&made.stdout).trim(),
        out.join("index.html").display().to_string()
    );
    let lesson = read(&out, "lessons/kthread_run.html")?;
    assert!(
        lesson.contains("ran on Linux 6.12.117 (Rust)"),
        "the caption of console blocks"
    );
    assert!(lesson.contains("choose-rust") && lesson.contains("choose-c"));
    assert!(!read(&out, "lessons/io_wait_event.html")?.contains("ran on Linux"));
    assert!(lesson.contains("href=\"../timelines/kthread_run-c.html\""));
    assert!(!lesson.contains("kthread_run-rust.html"));
    assert_eq!(read(&out, "timelines/kthread_run-c.html")?, page);
    assert!(read(&out, "lessons/kthread_run-code.html")?.contains("id=\"rust-L1\""));
    let index = read(&out, "documents/index-of-functions.html")?;
    for name in [
        "kthread::KThread::run",
        "kernel::sync::Arc",
        "wake_up_process",
    ] {
        assert!(index.contains(name), "{name}");
    }
    assert!(read(&out, "print.html")?.contains("unlocked_counter"));
    let exercise = "exercises/io_wait_event-2-every-fifth.html";
    let page = read(&out, exercise)?;
    assert!(!page.contains("{{"), "hints have the values of a variant");
    assert!(page.contains("href=\"../solutions/"));
    assert!(read(&out, "solutions/io_wait_event-2-every-fifth.html")?.contains("The task is <a"));
    // A second book replaces the first one.
    let without = [&arguments[..], &["--no-solutions"]].concat();
    let made = book(&without)?;
    let errors = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "{errors}");
    assert!(!out.join("solutions").exists());
    assert!(!read(&out, exercise)?.contains("solutions/"));
    let of_a_solution = "The task is <a";
    assert!(!read(&out, "print.html")?.contains(of_a_solution));
    Ok(())
}

#[test]
fn a_folder_that_is_no_book_is_left_alone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let letter = folder.path().join("letter.txt");
    std::fs::write(&letter, "dear")?;
    let made = book(&["--out", &folder.path().display().to_string()])?;
    assert!(!made.status.success());
    let errors = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(errors.contains("has other files than a book"), "{errors}");
    assert_eq!(std::fs::read_to_string(&letter)?, "dear");
    Ok(())
}

#[test]
fn a_report_of_another_version_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("report.json");
    std::fs::write(&report, r#"{"schema": 1, "runs": []}"#)?;
    let made = book(&["--ran", &report.display().to_string()])?;
    assert!(!made.status.success());
    let errors = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(errors.contains("has version 1 of the schema"), "{errors}");
    Ok(())
}
