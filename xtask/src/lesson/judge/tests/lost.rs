//! Verdicts of guests that are lost, or that the host failed.

use super::*;

#[test]
fn a_lost_shell_is_reported_with_its_command() {
    let first = steps()[0].clone();
    let messages = [ready(), first.clone(), vec![began(2, 90)], end(137)].concat();
    let verdict = ended(&messages, LOG);
    assert_eq!(verdict.to_string(), "the shell was killed by signal 9");
    assert_eq!(verdict.location().map(|place| place.line), Some(5));
    // `exit` between two commands: a trap, a signal that came late.
    let messages = [ready(), first, end(0)].concat();
    assert_eq!(ended(&messages, LOG).name(), "shell-lost");
}

#[test]
fn a_guest_that_does_not_start_the_lesson_is_not_the_lessons_fault() {
    let text = |messages: &[Message], log: &str| {
        let verdict = ended(messages, log);
        assert_eq!(verdict.name(), "infrastructure");
        verdict.to_string()
    };
    assert!(text(&[], "").ends_with("it printed nothing at all"));
    assert!(
        text(&[], "[    0.000000] Linux\r\n").ends_with("never reached its first program, /init")
    );
    assert!(text(&[], &LOG[..90]).ends_with("but not the test case"));
    assert!(text(&[], LOG).ends_with("its agent did not start the test case"));
    assert!(
        text(
            &[],
            "[    0.500000] Kernel panic - not syncing: No working init found.\r\n"
        )
        .contains("No working init found")
    );
    let stuck = verdict(b"", b"", GuestEnd::Stuck);
    assert!(
        stuck
            .to_string()
            .ends_with("nothing at all; it stood still")
    );
}

#[test]
fn a_guest_that_ends_in_the_lesson_is_lost() {
    let half = [ready(), vec![began(1, 190)]].concat();
    let lost = ended(&half, LOG);
    assert_eq!(lost.name(), "guest-lost");
    assert!(
        lost.to_string()
            .ends_with("it ended in the middle of the test case")
    );
}

#[test]
fn a_failing_qemu_is_not_the_lessons_fault() {
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
fn imitations_and_garbage_change_nothing() {
    // Messages with another tag, in output and on the channel.
    let mut forged = Vec::new();
    frame::write(Tag::BOOT, &Message::ShellEnded { status: 0 }, &mut forged);
    let mut fooling = steps();
    fooling[0] = step(1, &String::from_utf8_lossy(&forged), 0);
    assert_eq!(ended(&run(&fooling), LOG).name(), "mismatch");
    // A second marker does not hide the log before it.
    let log = LOG.replace(
        "[    3.810000]",
        "[    3.000000] BUG: bad\r\n[    3.100000] kmodlab: ready\r\n[    3.810000]",
    );
    assert_eq!(ended(&run(&steps()), &log).name(), "kernel-report");
    // Output that is not text, and a line of 100 KiB.
    for garbage in [b"\xff\xfe\0\x1b[2J".to_vec(), vec![b'x'; 100 << 10]] {
        let mut steps = steps();
        steps[0][1] = Message::Output(garbage.clone());
        let log = [LOG.as_bytes(), &garbage].concat();
        let channel = [&forged[..], &garbage, &bytes(&run(&steps))].concat();
        let verdict = verdict(&channel, &log, GuestEnd::Ended);
        assert_eq!(verdict.name(), "mismatch");
        assert_eq!(verdict.location().map(|place| place.line), Some(4));
    }
}

#[test]
fn no_cut_of_a_channel_passes() {
    let whole = bytes(&run(&steps()));
    for cut in 0..whole.len() {
        let verdict = verdict(&whole[..cut], LOG.as_bytes(), GuestEnd::Ended);
        assert!(!verdict.passed(), "{cut}");
    }
}

#[test]
fn a_process_ended_for_lack_of_memory_explains_a_lost_shell() {
    let lost = [
        ready(),
        step(1, "", 0),
        vec![
            Message::StepBegan {
                number: 2,
                at: at(290),
            },
            Message::ShellEnded { status: 137 },
        ],
    ]
    .concat();
    let log = format!(
        "{LOG}[    3.900000] dd invoked oom-killer: gfp_mask=0x140cc2, order=0\r\n\
         [    3.900000]  out_of_memory+0x3d4/0x4a0\r\n\
         [    3.910000] Out of memory: Killed process 43 (sh) total-vm:3284kB\r\n\
         [    3.920000] x: three\r\n"
    );
    let verdict = ended(&lost, &log);
    let Verdict::KernelReport { report, .. } = &verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(report.len(), 3);
    assert_eq!(verdict.subject(), Some("out-of-memory"));
    assert_eq!(
        verdict.to_string(),
        "the kernel reported: Out of memory: Killed process 43 (sh) total-vm:3284kB"
    );
}

#[test]
fn a_guest_that_a_command_halted_is_lost_and_not_hung() {
    let begun = [ready(), step(1, "", 0)].concat();
    let log = format!("{LOG}[    4.000000] reboot: System halted\r\n");
    for end in [
        GuestEnd::Stuck,
        GuestEnd::OutOfTime {
            guest_seconds: 86_400.0,
        },
    ] {
        assert_eq!(
            verdict(&bytes(&begun), log.as_bytes(), end).to_string(),
            "the guest was lost: a command stopped it: reboot: System halted"
        );
    }
}
