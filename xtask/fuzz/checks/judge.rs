//! Any output on a guest's two channels gets a verdict without a panic, and a
//! guest that never prints the run's message tag does not pass.
//!
//! The input is the agent's channel and the kernel's log, with [`SEPARATOR`] between them.

use std::path::PathBuf;
use std::time::Duration;

use kmodlab_protocol::Tag;
use xtask::lesson::Lesson;
use xtask::lesson::judge::{self, Evidence};
use xtask::lesson::origin::Origins;
use xtask::lesson::timestamp::VIRTUAL_TOLERANCE;
use xtask::lesson::transcript::{Step, Transcript};
use xtask::lesson::verdict::Verdict;
use xtask::vm::{GuestEnd, GuestRun};

/// The tag of the run's messages.
const TAG: &[u8; Tag::BYTES] = b"0123456789abcdef";

/// Separates the two channels.
const SEPARATOR: &[u8] = b"\n\xff\n";

/// Checks one input.
pub fn check(data: &[u8]) {
    let at = data
        .windows(SEPARATOR.len())
        .position(|bytes| bytes == SEPARATOR);
    let (agent, log) = match at {
        Some(at) => (&data[..at], &data[at + SEPARATOR.len()..]),
        None => (data, &[][..]),
    };
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
        project: None,
        loads_modules: false,
        text: PathBuf::new(),
        transcript: Transcript {
            stated_limit: None,
            steps: vec![
                step(1, "insmod x.ko", &[]),
                step(2, "dmesg -c", &["[..] x: one", "...", "[+1.0s] x: two"]),
            ],
        },
    };
    let tagged = agent.windows(TAG.len()).any(|bytes| bytes == TAG);
    for end in [
        GuestEnd::Ended,
        GuestEnd::Stuck,
        GuestEnd::OutOfTime { guest_seconds: 9.0 },
    ] {
        let run = GuestRun {
            qemu_errors: String::new(),
            debug: Vec::new(),
            agent: agent.to_vec(),
            log: log.to_vec(),
            end,
            interruption: None,
            wall: Duration::ZERO,
            since_panic: None,
            boot: None,
            command: String::new(),
        };
        let evidence = Evidence::read(Tag::from_bytes(*TAG), &run);
        let verdict = judge::judge(
            &lesson,
            &evidence,
            &run,
            VIRTUAL_TOLERANCE,
            &Origins::default,
        );
        assert!(
            tagged || verdict != Verdict::Pass,
            "passed without a message tag"
        );
        let _ = (verdict.to_string(), verdict.name(), verdict.location());
    }
}
