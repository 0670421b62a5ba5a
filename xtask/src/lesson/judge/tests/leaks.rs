//! Verdicts of a kernel that finds leaks.

use super::*;

const LEAK: &str = "\
unreferenced object 0xffff888003b2c000 (size 64):
  comm \"insmod\", pid 60, jiffies 4294894000
  backtrace (crc 0):
    __kmalloc_cache_noprof+0x123/0x200
    0xffffffffc0008024
";

const LEAKS_COUNTED: &str = "[   12.000000] kmemleak: 1 new suspected memory leaks \
    (see /sys/kernel/debug/kmemleak)\r\n";

/// Returns a run of these steps, with this report of a scan for leaks.
fn scanned(steps: &[Vec<Message>], found: &str) -> Vec<Message> {
    let mut messages = run(steps);
    let section = CodeSection {
        module: "x".to_owned(),
        section: ".init.text".to_owned(),
        address: 0xffff_ffff_c000_8000,
        size: 4096,
    };
    messages.insert(5, Message::Code(section));
    let end = messages.len() - 1;
    messages.insert(end, Message::Leaks(found.as_bytes().to_vec()));
    messages
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
    // A report from before counts more.
    let log = format!("{LOG}[    3.900000] BUG: KASAN: x\r\n{LEAKS_COUNTED}");
    let verdict = ended(&scanned(&steps(), LEAK), &log);
    assert_eq!(verdict.subject(), Some("kasan"));
    assert_eq!(ended(&scanned(&steps(), ""), LOG), Verdict::Pass);
}

#[test]
fn a_kernel_whose_detector_is_not_active_passes_nothing() {
    let mut unavailable = run(&steps());
    let end = unavailable.len() - 1;
    unavailable.insert(end, Message::Unavailable("kmemleak".to_owned()));
    let lockdep = format!("[    0.100000] WARNING: possible recursive locking detected\r\n{LOG}");
    let full = format!("{LOG}[    3.900000] turning off the locking correctness validator.\r\n");
    for (messages, log) in [
        (&unavailable, LOG),
        (&run(&steps()), &*lockdep),
        (&run(&steps()), &*full),
    ] {
        let verdict = ended(messages, log);
        assert_eq!(verdict.name(), "infrastructure", "{verdict}");
        assert!(verdict.to_string().contains("was not active"), "{verdict}");
    }
}
