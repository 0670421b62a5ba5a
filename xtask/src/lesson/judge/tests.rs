//! Every verdict, from consoles and logs made up for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::lesson::timestamp::VIRTUAL_TOLERANCE;
use crate::lesson::transcript;

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

const STATE: &str = "\nN0 modules 1\n\nN0 threads 1\n2 (kthreadd) S 0 0 0 0 -1 2129984 0\n\
    \nN0 proc 1\n/proc/irq\n\nN0 taint 1\n0\n";

const DMESG: &str = "[    2.800000] x: one\n[    3.810000] x: two\n";

fn lesson() -> Lesson {
    let readme = PathBuf::from("modules/lessons/x/README.md");
    match transcript::parse(README, Path::new("README.md")) {
        Ok(transcript) => Lesson {
            name: "x".to_owned(),
            folder: PathBuf::from("/nowhere"),
            readme,
            title: "x".to_owned(),
            transcript,
            no_rust: None,
            two_cpus: None,
        },
        Err(error) => panic!("{error}"),
    }
}

fn step(number: usize, output: &str, status: u8) -> String {
    format!(
        "\nN0 step {number} begin 0 {number}.50\n{output}\nN0 step {number} end {status} {number}.90\n"
    )
}

fn ready() -> String {
    format!("\nN0 begin 2.60\n{STATE}\nN0 ready 2.70\n")
}

/// A console on which these steps were played, to the end.
fn console(steps: &[String]) -> String {
    let state = STATE.replace("\n0\n", "\n4096\n");
    let steps = steps.concat();
    format!("{}{steps}\nN0 shell 0 4\n{state}\nN0 end 4\n", ready())
}

fn steps() -> Vec<String> {
    vec![step(1, "", 0), step(2, DMESG, 0), step(3, "", 0)]
}

const LOG: &str = "\
[    0.000000] Linux version 6.12.117\r
[    2.500000] kmodlab: init reached\r
[    2.700000] kmodlab: lesson begins N0\r
[    2.800000] x: one\r
[    3.810000] x: two\r
";

fn verdict(console: &[u8], log: &[u8], end: GuestEnd) -> Verdict {
    let run = GuestRun {
        debug: Vec::new(),
        console: console.to_owned(),
        log: log.to_owned(),
        end,
        since_panic: None,
        wall: Duration::from_secs(1),
        boot: None,
        command: String::new(),
    };
    let evidence = Evidence::read("N0", &run);
    judge(&lesson(), &evidence, &run, VIRTUAL_TOLERANCE)
}

/// The verdict for a guest that ended by itself.
fn ended(console: &str, log: &str) -> Verdict {
    verdict(console.as_bytes(), log.as_bytes(), GuestEnd::Ended)
}

#[test]
fn a_pass() {
    assert_eq!(ended(&console(&steps()), LOG), Verdict::Pass);
}

#[test]
fn a_qemu_that_does_not_end_after_the_guest_is_not_the_lessons() {
    let whole = console(&steps());
    let ends = [
        GuestEnd::Stuck,
        GuestEnd::OutOfTime {
            guest_seconds: 86_400.0,
        },
    ];
    for end in ends {
        let verdict = verdict(whole.as_bytes(), LOG.as_bytes(), end);
        assert_eq!(verdict, Verdict::Pass);
    }
}

#[test]
fn a_mismatch_is_told_with_all_around_it() {
    let mut steps = steps();
    steps[1] = step(2, &DMESG.replace("3.81", "4.10"), 1);
    steps[2] = step(3, "rmmod: no\n", 0);
    let Verdict::Mismatch { first, further } = ended(&console(&steps), LOG) else {
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
    let verdict = ended(&console(&steps), LOG);
    assert_eq!(
        verdict.to_string(),
        "ended with status 1 where the text says 0"
    );
}

#[test]
fn a_warning_fails_a_lesson_whose_output_is_right() {
    let log = format!("{LOG}[    3.900000] WARNING: CPU: 0 PID: 1 at x.c:1\r\n");
    let verdict = ended(&console(&steps()), &log);
    assert_eq!(verdict.name(), "kernel-report");
    // The log's clock is 0.1 s ahead: 3.90 there is 3.80, in the third step.
    assert_eq!(verdict.location().map(|place| place.line), Some(8));
    // The same words with a module's name in front are a module's.
    let log = format!("{LOG}[    3.900000] x: WARNING: CPU: 0 PID: 1 at x.c:1\r\n");
    assert!(ended(&console(&steps()), &log).passed());
    // Before the lesson it was not the lesson.
    let log = format!("[    0.100000] WARNING: CPU: 0 PID: 0\r\n{LOG}");
    assert!(ended(&console(&steps()), &log).passed());
}

#[test]
fn a_panic_names_the_command() {
    let console = format!("{}{}\nN0 step 2 begin 0 2.9\nhalf", ready(), steps()[0]);
    let log = format!(
        "{LOG}[    3.900000] BUG: kernel NULL pointer dereference, address: 0\r\n\
         [    4.000000] Kernel panic - not syncing: Fatal exception\r\n"
    );
    let verdict = ended(&console, &log);
    assert_eq!(verdict.name(), "panic");
    assert_eq!(verdict.location().map(|place| place.line), Some(5));
}

#[test]
fn a_hang_is_seen_in_each_of_four_ways() {
    let half = format!("{}{}\nN0 step 2 begin 0 2.9\n", ready(), steps()[0]);
    let log = format!(
        "{LOG}[   62.900000] INFO: task rmmod:60 blocked for more than 30 seconds.\r\n\
         [   62.900000] Kernel panic - not syncing: hung_task: blocked tasks\r\n"
    );
    let verdicts = [
        ended(&half, &log),
        ended(&format!("{half}\nN0 timeout 120.9\n"), LOG),
        verdict(half.as_bytes(), LOG.as_bytes(), GuestEnd::Stuck),
        verdict(
            half.as_bytes(),
            LOG.as_bytes(),
            GuestEnd::OutOfTime {
                guest_seconds: 300.0,
            },
        ),
    ];
    let words = verdicts.map(|verdict| {
        assert_eq!(verdict.name(), "hang");
        assert_eq!(verdict.location().map(|place| place.line), Some(5));
        verdict.to_string()
    });
    assert_eq!(
        words[0],
        "hung: INFO: task rmmod:60 blocked for more than 30 seconds, \
         after 60 s of the guest's time"
    );
    assert_eq!(
        words[1],
        "hung: the lesson did not come to an end, after 118 s of the guest's time"
    );
    assert!(words[2].contains("stood still"));
    assert!(words[3].ends_with("after 297 s of the guest's time"));
}

#[test]
fn left_overs_are_told() {
    let console = console(&steps()).replacen("\nN0 modules", "\nN0 m", 1);
    // The last listing of modules is the one after the lesson.
    let at = console.rfind("modules 1\n").unwrap_or(0);
    let console = format!(
        "{}modules 1\nx 16384 0 - Live 0x0 (O)\n{}",
        &console[..at],
        &console[at + "modules 1\n".len()..]
    );
    let verdict = ended(&console, LOG);
    assert_eq!(
        verdict.to_string(),
        "left something behind: the module x is still loaded"
    );
}

#[test]
fn a_lost_shell_is_told_with_its_command() {
    let console = format!(
        "{}{}\nN0 step 2 begin 0 2.9\n\nN0 shell 137 3\n{STATE}\nN0 end 4\n",
        ready(),
        steps()[0]
    );
    let verdict = ended(&console, LOG);
    assert_eq!(verdict.to_string(), "the shell was killed by signal 9");
    assert_eq!(verdict.location().map(|place| place.line), Some(5));
    // `exit` between two commands: a trap, a signal that came late.
    let console = format!(
        "{}{}\nN0 shell 0 3\n{STATE}\nN0 end 4\n",
        ready(),
        steps()[0]
    );
    assert_eq!(ended(&console, LOG).name(), "shell-lost");
}

#[test]
fn a_lost_guest_is_told_by_how_far_it_came() {
    let text = |console: &str, log: &str| {
        let verdict = ended(console, log);
        assert_eq!(verdict.name(), "guest-lost");
        verdict.to_string()
    };
    assert!(text("", "").ends_with("it printed nothing at all"));
    assert!(
        text("", "[    0.000000] Linux\r\n").ends_with("never reached its first program, /init")
    );
    assert!(text("", &LOG[..90]).ends_with("but not the lesson"));
    assert!(text("", LOG).contains("no virtio console"));
    assert!(
        text(
            "",
            "[    0.500000] Kernel panic - not syncing: No working init found.\r\n"
        )
        .contains("No working init found")
    );
    let half = format!("{}\nN0 step 1 begin 0 2.9\n", ready());
    assert!(text(&half, LOG).ends_with("it ended in the middle of the lesson"));
    let stuck = verdict(b"", b"", GuestEnd::Stuck);
    assert!(
        stuck
            .to_string()
            .ends_with("nothing at all; it stood still")
    );
}

#[test]
fn qemu_that_fails_is_no_lessons_fault() {
    let verdict = verdict(
        b"",
        b"",
        GuestEnd::QemuFailed {
            status: "exit status: 1".to_owned(),
            stderr: "qemu: no memory\n".to_owned(),
        },
    );
    assert_eq!(verdict.name(), "infrastructure");
    assert!(verdict.to_string().contains("QEMU failed (exit status: 1)"));
}

#[test]
fn imitations_and_rubbish_change_nothing() {
    // Notes of another run, in output and in the log.
    let mut fooling = steps();
    fooling[0] = step(1, "N1 step 1 end 0 9\nN1 end 9\nN0step", 0);
    assert_eq!(ended(&console(&fooling), LOG).name(), "mismatch");
    let log = LOG.replace(
        "[    2.800000]",
        "[    2.750000] kmodlab: lesson begins N1\r\n[    2.800000]",
    );
    assert!(ended(&console(&steps()), &log).passed());
    // A second marker does not hide what came before it.
    let log = LOG.replace(
        "[    3.810000]",
        "[    3.000000] BUG: bad\r\n[    3.100000] kmodlab: lesson begins N0\r\n[    3.810000]",
    );
    assert_eq!(ended(&console(&steps()), &log).name(), "kernel-report");
    // Bytes that are no text, and a line of 100 KiB.
    for rubbish in [b"\xff\xfe\0\x1b[2J".to_vec(), vec![b'x'; 100 << 10]] {
        let text = console(&steps());
        let at = text.find("begin 0 1.50\n").unwrap_or(0) + "begin 0 1.50\n".len();
        let mut bytes = text.as_bytes().to_vec();
        bytes.splice(at..at, rubbish.clone());
        let mut log = LOG.as_bytes().to_vec();
        log.extend(&rubbish);
        let verdict = verdict(&bytes, &log, GuestEnd::Ended);
        assert_eq!(verdict.name(), "mismatch");
        assert_eq!(verdict.location().map(|place| place.line), Some(4));
    }
}

#[test]
fn no_cut_of_a_console_passes() {
    let console = console(&steps());
    for cut in 0..console.len() {
        assert!(!ended(&console[..cut], LOG).passed(), "{cut}");
    }
}

const LEAK: &str = "\
unreferenced object 0xffff888003b2c000 (size 64):
  comm \"insmod\", pid 60, jiffies 4294894000
  backtrace (crc 0):
    __kmalloc_cache_noprof+0x123/0x200
    0xffffffffc0008024
";

const LEAKS_COUNTED: &str = "[   12.000000] kmemleak: 1 new suspected memory leaks \
    (see /sys/kernel/debug/kmemleak)\r\n";

/// A console on which these steps were played, with a scan for leaks behind
/// them that says so.
fn scanned(steps: &[String], found: &str) -> String {
    let section = "\nN0 section x .init.text 4096 0xffffffffc0008000 1\n";
    console(steps)
        .replacen("\nN0 step 2", &format!("{section}\nN0 step 2"), 1)
        .replace("\nN0 end", &format!("\nN0 kmemleak 9\n{found}\nN0 end"))
}

#[test]
fn a_leak_fails_a_lesson_that_is_otherwise_right() {
    let log = format!("{LOG}{LEAKS_COUNTED}");
    for log in [&*log, LOG] {
        let verdict = ended(&scanned(&steps(), LEAK), log);
        assert_eq!(verdict.name(), "kernel-report");
        assert_eq!(verdict.subject(), Some("kmemleak"));
        assert_eq!(
            verdict.to_string(),
            "the kernel reported: kmemleak: 1 object that nothing points to any more, 64 bytes"
        );
        assert_eq!(verdict.location(), None);
        let Verdict::KernelReport { report, .. } = verdict else {
            panic!();
        };
        assert_eq!(
            report.last().map(String::as_str),
            Some("    0xffffffffc0008024 .init.text+0x24 [x]")
        );
    }
    // What the kernel reported before counts more.
    let log = format!("{LOG}[    3.900000] BUG: KASAN: x\r\n{LEAKS_COUNTED}");
    let verdict = ended(&scanned(&steps(), LEAK), &log);
    assert_eq!(verdict.subject(), Some("kasan"));
    assert_eq!(ended(&scanned(&steps(), ""), LOG), Verdict::Pass);
}

#[test]
fn a_kernel_that_has_stopped_looking_passes_nobody() {
    let unchecked = console(&steps()).replace("\nN0 end", "\nN0 unchecked kmemleak 9\n\nN0 end");
    let lockdep = format!("[    0.100000] WARNING: possible recursive locking detected\r\n{LOG}");
    let full = format!("{LOG}[    3.900000] turning off the locking correctness validator.\r\n");
    for (console, log) in [
        (unchecked.as_str(), LOG),
        (&console(&steps()), &*lockdep),
        (&console(&steps()), &*full),
    ] {
        let verdict = ended(console, log);
        assert_eq!(verdict.name(), "infrastructure", "{verdict}");
        assert!(verdict.to_string().contains("did not look"), "{verdict}");
    }
}
