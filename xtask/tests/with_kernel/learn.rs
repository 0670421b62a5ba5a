//! `learn`: a student saves an answer, in plain lines and on a screen.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use expectrl::{Eof, Expect as _, Session};
use rustix::process::Signal;

use crate::exercises::ExerciseLab;
use crate::lab::{kill, wait_for};

/// The sequence with which a terminal leaves the screen of a program.
const LEAVES_SCREEN: &str = "\x1b[?1049l";

#[test]
fn a_saved_answer_is_checked_and_printed_as_lines() -> Result<()> {
    let lab = ExerciseLab::new("rust")?;
    let mut learn = lab.clone.xtask(&["learn", "--plain"]);
    learn
        .current_dir(lab.student.path())
        .env("KMODLAB_WORKSPACE", lab.clone.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut learn = learn.spawn()?;
    let stdout = learn.stdout.take().context("standard output")?;
    let mut lines = BufReader::new(stdout).lines();
    let mut until = |text: &str| -> Result<Vec<String>> {
        let mut read = Vec::new();
        for line in lines.by_ref() {
            read.push(line?);
            if read.last().is_some_and(|line| line.contains(text)) {
                return Ok(read);
            }
        }
        anyhow::bail!("no {text:?} in {read:#?}")
    };
    let first = until("5 of 18 points.")?.join("\n");
    ensure!(
        first.contains("Part 2 of 3, Counts: failed, 0 of"),
        "{first}"
    );
    ensure!(first.contains("expected: "), "{first}");
    let offered = until("q quit.")?.join("\n");
    ensure!(!offered.contains("v solution"), "{offered}");
    let mut stdin = learn.stdin.take().context("standard input")?;
    stdin.write_all(b"l\n2\nb\ncount\n1\n")?;
    for line in [
        "1. kthread_run/1-counts, Counts, open, ",
        "Type the number or the name of an exercise",
        "the exercises have the numbers 1 to 1",
        "There was no exercise before this one.",
        "there is no exercise `count`; did you mean `counts`?",
        "Exercise 1 of 1: kthread_run/1-counts, Counts, ",
        "5 of 18 points.",
    ] {
        until(line)?;
    }
    lab.solve()?;
    let second = until("18 of 18 points. All parts pass.")?.join("\n");
    ensure!(second.contains("The file has changed"), "{second}");
    ensure!(until("q quit.")?.join("\n").contains("v solution"));
    stdin.write_all(b"q\n")?;
    ensure!(learn.wait()?.success());
    Ok(())
}

#[test]
fn the_screen_restores_the_terminal() -> Result<()> {
    let lab = ExerciseLab::new("rust")?;
    let results = lab.student.path().join(".kmodlab");
    // A key, and a signal.
    for signal in [None, Some(Signal::TERM)] {
        if results.exists() {
            std::fs::remove_dir_all(&results)?;
        }
        let mut learn = lab.clone.xtask(&["learn"]);
        learn
            .current_dir(lab.student.path())
            .env("KMODLAB_WORKSPACE", lab.clone.path(""))
            .env("TERM", "xterm")
            // The terminal, in place of /dev/null.
            .stdin(Stdio::inherit());
        let mut session = Session::spawn(learn)?;
        session.set_expect_timeout(None);
        wait_for("a check", || results.exists().then_some(()))?;
        match signal {
            None => session.send("q")?,
            Some(signal) => kill(session.get_process().pid().as_raw().cast_unsigned(), signal)?,
        }
        let rest = session.expect(Eof)?;
        let mut text = String::from_utf8_lossy(rest.as_bytes()).into_owned();
        let mut last = Vec::new();
        let _ = session.read_to_end(&mut last);
        text += &String::from_utf8_lossy(&last);
        ensure!(text.contains(LEAVES_SCREEN), "{signal:?}: {text:?}");
    }
    Ok(())
}
