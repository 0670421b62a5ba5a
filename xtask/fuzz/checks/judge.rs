//! Any output on a guest's two channels gets a verdict without a panic, and a
//! guest that never prints the run's message tag does not pass.
//!
//! The input is the console and the kernel's log, with a byte 0xff between
//! them. `NONCE` in it stands for the tag.

use std::path::PathBuf;
use std::time::Duration;

use xtask::lesson::Lesson;
use xtask::lesson::judge::{self, Evidence};
use xtask::lesson::timestamp::VIRTUAL_TOLERANCE;
use xtask::lesson::transcript::{LIMIT, Step, Transcript};
use xtask::lesson::verdict::Verdict;
use xtask::vm::{GuestEnd, GuestRun};

const NONCE: &str = "NONCE";

/// Checks one input.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0xff);
    let console = parts.next().unwrap_or_default().to_vec();
    let log = parts.next().unwrap_or_default().to_vec();
    let step = |line, command: &str, expected: &[&str]| Step {
        line,
        command: command.to_owned(),
        expected: expected.iter().map(ToString::to_string).collect(),
        status: 0,
    };
    let lesson = Lesson {
        name: "x".to_owned(),
        folder: PathBuf::new(),
        readme: PathBuf::from("README.md"),
        title: "x".to_owned(),
        no_rust: None,
        two_cpus: None,
        transcript: Transcript {
            limit: LIMIT,
            steps: vec![
                step(1, "insmod x.ko", &[]),
                step(2, "dmesg -c", &["[..] x: one", "...", "[+1.0s] x: two"]),
            ],
        },
    };
    let has_tag = |bytes: &[u8]| {
        bytes
            .windows(NONCE.len())
            .any(|word| word == NONCE.as_bytes())
    };
    let tagged = has_tag(&console) && has_tag(&log);
    for end in [
        GuestEnd::Ended,
        GuestEnd::Stuck,
        GuestEnd::OutOfTime { guest_seconds: 9.0 },
    ] {
        let run = GuestRun {
            debug: Vec::new(),
            console: console.clone(),
            log: log.clone(),
            end,
            wall: Duration::ZERO,
            since_panic: None,
            boot: None,
            command: String::new(),
        };
        let evidence = Evidence::read(NONCE, &run);
        let verdict = judge::judge(&lesson, &evidence, &run, VIRTUAL_TOLERANCE);
        assert!(
            tagged || verdict != Verdict::Pass,
            "passed without a message tag"
        );
        let _ = (verdict.to_string(), verdict.name(), verdict.location());
    }
}
