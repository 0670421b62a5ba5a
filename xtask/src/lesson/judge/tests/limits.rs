//! Verdicts of outputs and logs that are long, or without end.

use super::*;

#[test]
fn output_without_end_is_a_verdict_of_its_own() {
    let under_way = [
        ready(),
        step(1, "", 0),
        vec![
            Message::StepBegan {
                number: 2,
                at: at(290),
            },
            Message::Output(b"y\n".repeat(1000)),
            Message::OutputLimit {
                at: at(300),
                last: b"x\n".repeat(1000),
            },
        ],
    ]
    .concat();
    let verdict = ended(&under_way, LOG);
    let Verdict::OutputLimit {
        source: OutputSource::Commands,
        excerpt,
        during: Some(during),
    } = verdict
    else {
        panic!("{verdict:?}");
    };
    assert_eq!(excerpt.len(), 21);
    assert_eq!(
        excerpt[9..12],
        ["y", "... the lines between are left out ...", "x"]
    );
    assert_eq!(during.line, 5);
    // A background job, after the last command.
    let late = [
        ready(),
        steps().concat(),
        vec![
            Message::Output(b"late\n".to_vec()),
            Message::OutputLimit {
                at: at(400),
                last: b"last\n".to_vec(),
            },
        ],
    ]
    .concat();
    let verdict = ended(&late, LOG);
    let Verdict::OutputLimit {
        excerpt,
        during: None,
        ..
    } = verdict
    else {
        panic!("{verdict:?}");
    };
    assert_eq!(
        (&*excerpt[0], excerpt.last().map(|line| &**line)),
        ("late", Some("last"))
    );
}

#[test]
fn a_log_without_end_is_shown_with_its_first_report() {
    let begun = [ready(), step(1, "", 0)].concat();
    let flood = |line: &str| {
        let log = format!("{LOG}{}", format!("{line}\r\n").repeat(1000));
        let end = GuestEnd::OutputLimit(Channel::Log);
        match verdict(&bytes(&begun), log.as_bytes(), end) {
            Verdict::OutputLimit {
                source: OutputSource::KernelLog,
                excerpt,
                ..
            } => excerpt,
            verdict => panic!("{verdict:?}"),
        }
    };
    let log = flood("[    4.000000] x: again");
    assert_eq!(log[..2], ["[    2.800000] x: one", "[    3.810000] x: two"]);
    assert_eq!(log.len(), 21);
    let log = flood("[    4.000000] WARNING: CPU: 0 PID: 1 at x.c:1");
    assert!(log[0].contains("WARNING: "), "{log:?}");
    assert!(log.len() < 100);
}

#[test]
fn a_long_output_is_reported_around_its_difference() {
    let mut steps = steps();
    let log = DMESG.repeat(2000);
    steps[1] = step(2, &log, 0);
    let Verdict::Mismatch { first, .. } = ended(&run(&steps), LOG) else {
        panic!();
    };
    assert!(first.printed.len() < 250, "{}", first.printed.len());
}
