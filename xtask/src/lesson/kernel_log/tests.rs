//! Lines that begin kernel reports, and lines that only look alike.

use super::*;

fn read(lines: &str) -> KernelLog {
    let log = format!(
        "[    0.1] WARNING: before\n[    2.600000] kmodlab: init reached\r\n\
         [    2.700000] kmodlab: ready\r\n{lines}"
    );
    KernelLog::read(log.as_bytes())
}

fn headline(line: &str) -> Option<(ReportKind, String)> {
    let report = read(&format!("[    3.000000] {line}\r\n")).report();
    report.map(|report| (report.kind, report.headline))
}

/// Messages that begin a complaint.
const COMPLAINT: &str = "\
WARNING: CPU: 0 PID: 51 at kernel/kthread.c:83
WARNING: possible circular locking dependency detected
INFO: possible recursive locking detected
BUG: sleeping function called from invalid context
BUG: scheduling while atomic: insmod/60/0x00000002
BUG: KASAN: slab-use-after-free in x
UBSAN: array-index-out-of-bounds in x.c:1:2
kmemleak: 1 new suspected memory leaks (see x)
BUG kmalloc-256 (Tainted: G           O      ): Object corrupt
ODEBUG: free active (active state 0) object: ffff888004c54710 object type: timer_list hint: fire+0x0/0x20 [bugs]
list_del corruption, ffff888004d89000->next is LIST_POISON1 (dead000000000100)
refcount_t: addition on 0; use-after-free.
INFO: trying to register non-static key.
DEBUG_LOCKS_WARN_ON(lock->magic != lock)
[ BUG: Invalid wait context ]
kmemleak: Kernel memory leak detector disabled";

/// Messages of the hang detectors.
const HANG: &str = "\
INFO: task rmmod:60 blocked for more than 30 seconds.
watchdog: BUG: soft lockup - CPU#0 stuck for 22s!
watchdog: Watchdog detected hard LOCKUP on cpu 1
watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 1
rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:";

/// Messages of a kernel that stops.
const FATAL: &str = "\
BUG: kernel NULL pointer dereference, address: 0
BUG: unable to handle page fault for address: 0
kernel BUG at rust/helpers/bug.c:7!
Oops: general protection fault, 0000 [#1] SMP
invalid opcode: 0000 [#1] PREEMPT SMP
rust_kernel: panicked at x.rs:3:5:
Kernel panic - not syncing: Fatal exception";

#[test]
fn reports_are_recognised() {
    let kinds = [
        (ReportKind::Complaint, COMPLAINT),
        (ReportKind::Hang, HANG),
        (ReportKind::Fatal, FATAL),
    ];
    for (kind, lines) in kinds {
        for line in lines.lines() {
            assert_eq!(headline(line), Some((kind, line.to_owned())));
        }
    }
}

#[test]
fn the_headline_names_the_cause_of_the_panic() {
    let log = read(
        "[    3.000000] WARNING: CPU: 1 PID: 58 at kernel/kthread.c:76 x\n\
         [    3.000000] rust_kernel: panicked at x.rs:9:91:\n\
         [    3.000000] on purpose\n\
         [    3.100000] kernel BUG at rust/helpers/bug.c:7!\n",
    );
    let Some(report) = log.report() else { panic!() };
    assert_eq!(report.kind, ReportKind::Fatal);
    assert_eq!(
        report.headline,
        "rust_kernel: panicked at x.rs:9:91: on purpose"
    );
    assert_eq!(report.lines.len(), 4);
    assert_eq!(report.at, Some(3.0));
}

#[test]
fn similar_lines_are_not_reports() {
    for line in [
        "x: BUG: said the module",
        "kthread_run: WARNING: nothing",
        "x: Kernel panic - not syncing",
        "INFO: task force",
        "kmemleak: Kernel memory leak detector initialized (mem pool available: 15853)",
        "BUG hunting in a module",
        "Tainted: [O]=OOT_MODULE",
        "rcu: INFO: fine",
        "x: loading out-of-tree module taints kernel.",
    ] {
        assert_eq!(headline(line), None);
    }
    // A report before the lesson does not count.
    assert_eq!(read("").report(), None);
}

#[test]
fn a_report_is_shown_from_its_ruler_to_its_end() {
    let log = read(
        "[    3.000000] x: hello\r\n\
         [    3.100000] ------------[ cut here ]------------\r\n\
         [    3.200000] WARNING: CPU: 0 PID: 51 at x.c:83 x\r\n\
         [    3.300000] Call Trace:\r\n\
         [    3.400000] ---[ end trace 0000000000000000 ]---\r\n\
         [    3.500000] x: bye\r\n",
    );
    let report = log.report();
    assert_eq!(report.map(|report| report.lines.len()), Some(4));
    assert_eq!(log.last_time(), Some(3.5));
    assert_eq!(log.between(3.05, 3.25).len(), 2);
}

#[test]
fn the_text_of_a_warning_is_a_part_of_its_report() {
    let log = read(
        "[    3.000000] x: hello\r\n\
         [    3.100000] ------------[ cut here ]------------\r\n\
         [    3.100100] odd value 7\r\n\
         [    3.200000] WARNING: CPU: 0 PID: 51 at x.c:83 x\r\n\
         [    3.400000] ---[ end trace 0000000000000000 ]---\r\n",
    );
    let lines = log.report().map(|report| report.lines).unwrap_or_default();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[1].contains("odd value 7"), "{lines:?}");
}

#[test]
fn the_stack_of_slubs_report_is_a_part_of_it() {
    let log = |place: &str| {
        read(&format!(
            "[   11.900000] BUG kmalloc-16 (Tainted: G           O      ): Object already free\n\
             [   11.900100] Freed in cleanup_module+0x1d/0x1000 [x] age=1 cpu=1 pid=43\n\
             [   11.900200] Disabling lock debugging due to kernel taint\n\
             [   11.900300] ------------[ cut here ]------------\n\
             [   11.900400] WARNING: CPU: 1 PID: 43 at {place} object_err+0x159/0x2a0\n\
             [   11.900500]  cleanup_module+0x29/0x1000 [x]\n\
             [   11.900600] ---[ end trace 0000000000000000 ]---\n"
        ))
    };
    let lines = |place| log(place).report().map(|report| report.lines.len());
    assert_eq!(lines("mm/slub.c:1127"), Some(7));
    assert_eq!(lines("fs/x.c:1"), Some(3));
}

#[test]
fn a_kernel_that_stops_is_shown_to_its_last_line() {
    let log = read(
        "[    3.200000] BUG: kernel NULL pointer dereference, address: 0\n\
         [    3.300000] ---[ end trace 0000000000000000 ]---\n\
         [    3.400000] Kernel panic - not syncing: Fatal exception\n",
    );
    assert_eq!(log.report().map(|report| report.lines.len()), Some(3));
    let log = read(
        "[   63.200000] INFO: task rmmod:60 blocked for more than 30 seconds.\n\
         [   63.400000] Kernel panic - not syncing: hung_task: blocked tasks\n",
    );
    assert_eq!(
        log.report().map(|report| report.kind),
        Some(ReportKind::Hang)
    );
    let log = read(
        "[    3.200000] WARNING: CPU: 0 PID: 51 at x.c:83 x\n\
         [    3.400000] Kernel panic - not syncing: panic_on_warn\n",
    );
    assert_eq!(
        log.report().map(|report| report.kind),
        Some(ReportKind::Fatal)
    );
}

#[test]
fn a_hang_after_a_complaint_is_a_hang() {
    let complaint = "[    3.200000] WARNING: CPU: 0 PID: 51 at x.c:83 x\n\
                     [    3.400000] ---[ end trace 0000000000000000 ]---\n";
    let hang = "[   63.200000] INFO: task rmmod:60 blocked for more than 30 seconds.\n";
    let panic = "[   63.400000] Kernel panic - not syncing: hung_task: blocked tasks\n";
    let report = |log: &str| read(log).report().expect("a report");
    let both = report(&format!("{complaint}{hang}{panic}"));
    assert_eq!(both.kind, ReportKind::Hang);
    assert!(both.headline.starts_with("INFO: task rmmod:60 blocked"));
    assert_eq!(
        both.after.as_deref(),
        Some("WARNING: CPU: 0 PID: 51 at x.c:83 x")
    );
    // The stacks of the complaint are not those of the tasks that hang.
    assert!(
        !both.lines.iter().any(|line| line.contains("WARNING")),
        "{:?}",
        both.lines
    );
    assert_eq!(both.at, Some(3.2));
    // The kernel went on.
    assert_eq!(
        report(&format!("{complaint}{hang}")).kind,
        ReportKind::Complaint
    );
}

#[test]
fn text_before_a_timestamp_does_not_hide_a_report() {
    let log = read("rubbish\x1b[0m [[    3.200000] WARNING: CPU: 0 PID: 1\n");
    assert!(log.report().is_some());
    let storm = "[    3.200000] x: y\n".repeat(10_000) + "[    4.000000] BUG: at last\n";
    assert!(read(&storm).report().is_some());
    assert!(!KernelLog::read(b"\xff\xfe\0\x01").lesson_began());
    assert!(KernelLog::read(b"\r\n\r\n").is_empty());
}

/// Linux 6.12's report of two mutexes that are taken in both orders, without its
/// stacks.
const ABBA: &str = "\
[   12.315916] ======================================================
[   12.316017] WARNING: possible circular locking dependency detected
[   12.316125] 6.12.117 #1 Tainted: G           O
[   12.316233] ------------------------------------------------------
[   12.316333] insmod/63 is trying to acquire lock:
[   12.316435] ffffffffa0002070 (a){+.+.}-{3:3}, at: bug+0x270/0x5d0 [bugs]
[   12.316744]
[   12.316744] but task is already holding lock:
[   12.316841] ffffffffa0002100 (b){+.+.}-{3:3}, at: bug+0x262/0x5d0 [bugs]
[   12.321678]        CPU0                    CPU1
[   12.322438]  *** DEADLOCK ***
[   12.328201]  </TASK>
";

#[test]
fn a_report_without_an_end_mark_ends_where_the_kernel_pauses() {
    let log = read(&format!("{ABBA}[   14.000000] bugs: bye\n"));
    let Some(report) = log.report() else { panic!() };
    assert_eq!(report.lines.len(), ABBA.lines().count());
    assert_eq!(
        report.headline,
        "WARNING: possible circular locking dependency detected"
    );
    // The next report is separate.
    let next = "[   12.330000] =====\n[   12.330000] BUG: KASAN: x\n";
    let log = read(&format!("{ABBA}{next}"));
    let lines = log.report().map(|report| report.lines.len());
    assert_eq!(lines, Some(ABBA.lines().count()));
}

#[test]
fn a_report_between_two_rulers_ends_with_the_second() {
    let log = read(
        "[    9.1] x: hello\n\
         [    9.100000] ==================================================================\n\
         [    9.100000] BUG: KASAN: slab-use-after-free in bug+0x1/0x2 [bugs]\n\
         [    9.100000] Read of size 1 at addr ffff888004c54728 by task insmod/63\n\
         [    9.120000] ==================================================================\n\
         [    9.120000] Disabling lock debugging due to kernel taint\n",
    );
    let lines = log.report().map(|report| report.lines.len());
    assert_eq!(lines, Some(4));
}

#[test]
fn a_lockdep_that_is_off_is_reported() {
    let off = "turning off the locking correctness validator.";
    let log = read(&format!("[    9.100000] {off}\n"));
    assert_eq!(log.lockdep_off(), Some(off));
    assert_eq!(read(ABBA).lockdep_off(), None);
    let before = KernelLog::read(ABBA.as_bytes());
    assert!(before.lockdep_off().is_some());
}

#[test]
fn uncertain_stack_frames_are_dropped_from_a_report() {
    let guesses = "[    9.100000]  ? __lock_acquire+0x62a/0x2aa0\n".repeat(70);
    let report = "[    9.100000] BUG: KASAN: x\n[    9.100000] Freed by task 63:\n";
    let lines_of = |frames: &str| {
        let log = read(&format!("{report}{frames}"));
        log.report().map(|report| report.lines.len())
    };
    // Without certain frames, the uncertain ones stay.
    assert_eq!(lines_of(&guesses), Some(72));
    let certain = "[    9.100000]  kasan_save_stack+0x1c/0x40\n";
    // The last line has the number of dropped lines.
    assert_eq!(lines_of(&format!("{certain}{guesses}")), Some(4));
}

#[test]
fn the_messages_end_where_xtask_interrupts_the_guest() {
    let log = read(&format!(
        "[    3.000000] x: one\r\n[    4.000000] {INTERRUPTED}\r\n[    4.000100] CPU: 0\r\n"
    ));
    assert_eq!(log.messages().collect::<Vec<_>>(), ["x: one"]);
}
