//! Every verdict, from messages and logs made up for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kmodlab_protocol::{CodeSection, Message, State, Uptime, frame};

use super::*;
use crate::lesson::timestamp::VIRTUAL_TOLERANCE;
use crate::lesson::transcript;
use crate::lesson::verdict::OutputSource;
use crate::vm::Channel;

mod complaints;
mod hangs;
mod leaks;
mod limits;
mod lost;

const README: &str = "\
# x

```console
$ insmod x.ko
$ dmesg -c
[..] x: one
[+1.0s] x: two
$ rmmod x
```
";

const DMESG: &str = "[    2.800000] x: one\n[    3.810000] x: two\n";

fn lesson() -> Lesson {
    lesson_of(README)
}

fn lesson_of(text: &str) -> Lesson {
    let readme = PathBuf::from("modules/lessons/x/README.md");
    match transcript::parse(text, Path::new("README.md")) {
        Ok(transcript) => Lesson {
            name: "x".to_owned(),
            folder: PathBuf::from("/nowhere"),
            readme,
            title: "x".to_owned(),
            transcript,
            no_rust: None,
            two_cpus: None,
            project: None,
            loads_modules: false,
            text: PathBuf::new(),
        },
        Err(error) => panic!("{error}"),
    }
}

fn tag() -> Tag {
    Tag::from_bytes(*b"0123456789abcdef")
}

fn at(hundredths: u64) -> Uptime {
    Uptime(hundredths * 10_000_000)
}

fn state(taint: u64) -> State {
    State {
        taint: Some(taint),
        ..State::default()
    }
}

/// Returns a step that begins at NUMBER.50 s and ends at NUMBER.90 s.
fn step(number: u32, output: &str, status: u8) -> Vec<Message> {
    let time = |part| at(u64::from(number) * 100 + part);
    vec![
        began(number, 50),
        Message::Output(output.as_bytes().to_vec()),
        Message::StepEnded {
            number,
            at: time(90),
            status,
        },
    ]
}

/// Returns the beginning of a step, this number of hundredths of a second after NUMBER s.
fn began(number: u32, part: u64) -> Message {
    Message::StepBegan {
        number,
        at: at(u64::from(number) * 100 + part),
    }
}

fn ready() -> Vec<Message> {
    vec![
        Message::Ready {
            at: at(260),
            state: state(0),
        },
        Message::Started {
            at: at(270),
            jiffies: None,
        },
    ]
}

/// Returns the end of a run whose shell had this status.
fn end(status: i32) -> Vec<Message> {
    vec![
        Message::ShellEnded { status },
        Message::Finished { state: state(4096) },
    ]
}

/// Returns a whole run of these steps.
fn run(steps: &[Vec<Message>]) -> Vec<Message> {
    [ready(), steps.concat(), end(0)].concat()
}

fn steps() -> Vec<Vec<Message>> {
    vec![step(1, "", 0), step(2, DMESG, 0), step(3, "", 0)]
}

fn bytes(messages: &[Message]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        frame::write(tag(), message, &mut bytes);
    }
    bytes
}

const LOG: &str = "\
[    0.000000] Linux version 6.12.117\r
[    2.500000] kmodlab: init reached\r
[    2.700000] kmodlab: ready\r
[    2.800000] x: one\r
[    3.810000] x: two\r
";

/// Returns the formats of a kernel that prints this.
fn origins() -> Origins {
    let mut origins = Origins::default();
    for format in [
        "%s: unknown parameter '%s' ignored\n",
        "%s: `%s' invalid for parameter `%s'\n",
    ] {
        origins.kernel.add(format);
    }
    origins
}

fn verdict(agent: &[u8], log: &[u8], end: GuestEnd) -> Verdict {
    verdict_of(&lesson(), agent, log, end)
}

fn verdict_of(lesson: &Lesson, agent: &[u8], log: &[u8], end: GuestEnd) -> Verdict {
    let run = guest_run(agent, log, end);
    let evidence = Evidence::read(tag(), &run);
    judge(lesson, &evidence, &run, VIRTUAL_TOLERANCE, &origins)
}

fn guest_run(agent: &[u8], log: &[u8], end: GuestEnd) -> GuestRun {
    GuestRun {
        qemu_errors: String::new(),
        debug: Vec::new(),
        agent: agent.to_owned(),
        log: log.to_owned(),
        end,
        interruption: None,
        since_panic: None,
        wall: Duration::from_secs(1),
        boot: None,
        command: String::new(),
    }
}

/// Returns the verdict for a guest that ended by itself.
fn ended(messages: &[Message], log: &str) -> Verdict {
    verdict(&bytes(messages), log.as_bytes(), GuestEnd::Ended)
}

#[test]
fn a_pass() {
    assert_eq!(ended(&run(&steps()), LOG), Verdict::Pass);
}

#[test]
fn a_qemu_that_does_not_end_after_the_guest_is_not_the_lessons() {
    let whole = bytes(&run(&steps()));
    let ends = [
        GuestEnd::Stuck,
        GuestEnd::OutOfTime {
            guest_seconds: 86_400.0,
        },
    ];
    for end in ends {
        let verdict = verdict(&whole, LOG.as_bytes(), end);
        assert_eq!(verdict, Verdict::Pass);
    }
}

#[test]
fn a_mismatch_is_reported_with_its_context() {
    let mut steps = steps();
    steps[1] = step(2, &DMESG.replace("3.81", "4.10"), 1);
    steps[2] = step(3, "rmmod: no\n", 0);
    let Verdict::Mismatch { first, further } = ended(&run(&steps), LOG) else {
        panic!();
    };
    assert_eq!(further, 1);
    assert_eq!(first.location.line, 5);
    assert_eq!(first.location.command, "dmesg -c");
    assert_eq!(first.location.before, ["insmod x.ko"]);
    assert_eq!(first.printed, ["[..] x: one", "[+1.3s] x: two"]);
    assert_eq!(first.status, (0, 1));
    // The log's clock is 0.1 s ahead: 2.50 to 2.90 is 2.60 to 3.00 there.
    assert_eq!(first.log, ["[    2.800000] x: one"]);
}

#[test]
fn a_status_alone_is_a_mismatch() {
    let mut steps = steps();
    steps[2] = step(3, "", 1);
    let verdict = ended(&run(&steps), LOG);
    assert_eq!(
        verdict.to_string(),
        "ended with status 1 where the text says 0"
    );
}

#[test]
fn a_warning_fails_a_lesson_whose_output_is_right() {
    let log = format!("{LOG}[    3.900000] WARNING: CPU: 0 PID: 1 at x.c:1\r\n");
    let verdict = ended(&run(&steps()), &log);
    assert_eq!(verdict.name(), "kernel-report");
    // The log's clock is 0.1 s ahead: 3.90 there is 3.80, in the third step.
    assert_eq!(verdict.location().map(|place| place.line), Some(8));
    // The same words with a module's name in front are a module's.
    let log = format!("{LOG}[    3.900000] x: WARNING: CPU: 0 PID: 1 at x.c:1\r\n");
    assert!(ended(&run(&steps()), &log).passed());
    // Before the lesson it was not the lesson.
    let log = format!("[    0.100000] WARNING: CPU: 0 PID: 0\r\n{LOG}");
    assert!(ended(&run(&steps()), &log).passed());
}

#[test]
fn a_panic_names_the_command() {
    let half = Message::Output(b"half".to_vec());
    let messages = [ready(), steps()[0].clone(), vec![began(2, 90), half]].concat();
    let log = format!(
        "{LOG}[    3.900000] BUG: kernel NULL pointer dereference, address: 0\r\n\
         [    4.000000] Kernel panic - not syncing: Fatal exception\r\n"
    );
    let verdict = ended(&messages, &log);
    assert_eq!(verdict.name(), "panic");
    assert_eq!(verdict.location().map(|place| place.line), Some(5));
}

#[test]
fn a_mismatch_before_a_panic_is_its_cause() {
    let forgot = step(1, "", 1);
    let messages = [ready(), forgot.clone(), vec![began(2, 90)]].concat();
    let log = format!("{LOG}[    3.900000] Kernel panic - not syncing: Fatal exception\r\n");
    let earlier = |messages: &[Message], log: &str| {
        let run = guest_run(&bytes(messages), log.as_bytes(), GuestEnd::Ended);
        let evidence = Evidence::read(tag(), &run);
        let verdict = judge(&lesson(), &evidence, &run, VIRTUAL_TOLERANCE, &origins);
        let earlier = earlier_mismatch(&lesson(), &evidence, VIRTUAL_TOLERANCE, &verdict);
        (verdict.name(), earlier.map(|earlier| earlier.location.line))
    };
    assert_eq!(earlier(&messages, &log), ("panic", Some(4)));
    // The verdict `mismatch` has its own.
    let whole = run(&[&[forgot], &steps()[1..]].concat());
    assert_eq!(earlier(&whole, LOG), ("mismatch", None));
    // A difference that comes later is a consequence.
    let mut later = steps();
    later[2] = step(3, "", 1);
    let log = format!("{LOG}[    2.900000] WARNING: CPU: 0 PID: 1 at x.c:1\r\n");
    assert_eq!(earlier(&run(&later), &log), ("kernel-report", None));
}

#[test]
fn a_command_that_should_have_failed_is_named() {
    let text = README.replace("rmmod x\n", "rmmod x\n? 1\n");
    let messages = [ready(), steps()[..2].concat(), vec![began(3, 50)]].concat();
    let sentence = |text: &str, linked_in: &str| {
        let log = format!(
            "{LOG}[    3.900000] BUG: unable to handle page fault for address: ffffffffa001a088\r\n\
             [    3.900000] Modules linked in: {linked_in}\r\n"
        );
        let lesson = lesson_of(text);
        let verdict = verdict_of(&lesson, &bytes(&messages), log.as_bytes(), GuestEnd::Ended);
        unexpected_success(&lesson, &verdict)
    };
    let removed = "this command removed the module x, and the text says that it ends with status 1";
    let unloaded = "y(O) [last unloaded: x(O)]";
    assert_eq!(sentence(&text, unloaded).as_deref(), Some(removed));
    assert_eq!(sentence(README, unloaded), None);
    assert_eq!(sentence(&text, "x(O-) [last unloaded: y(O)]"), None);
    assert_eq!(sentence(&text, "x(O) [last unloaded: x(O)]"), None);
    let text = text.replace("rmmod x", "insmod x.ko");
    assert!(sentence(&text, "x(O)").is_some_and(|s| s.contains("loaded the module x")));
    assert_eq!(sentence(&text, "x(O+)"), None);
}

#[test]
fn a_panic_after_the_last_command_names_none() {
    let ended_shell = vec![Message::ShellEnded { status: 0 }];
    let messages = [ready(), steps().concat(), ended_shell].concat();
    let log = format!(
        "{LOG}[    4.900000] BUG: unable to handle page fault for address: ffffffffa0002010\r\n\
         [    5.000000] Kernel panic - not syncing: Fatal exception in interrupt\r\n"
    );
    let verdict = ended(&messages, &log);
    assert_eq!(verdict.name(), "panic");
    assert_eq!(verdict.location(), None);
}

#[test]
fn left_overs_are_named() {
    let mut messages = run(&steps());
    messages.pop();
    messages.push(Message::Finished {
        state: State {
            modules: vec!["x".to_owned()],
            ..state(4096)
        },
    });
    let verdict = ended(&messages, LOG);
    assert_eq!(
        verdict.to_string(),
        "left something behind: the module x is still loaded"
    );
}
