//! Guests that hang.

use super::*;

#[test]
fn a_hang_is_seen_in_each_of_four_ways() {
    let half = [ready(), steps()[0].clone(), vec![began(2, 90)]].concat();
    let timed_out = vec![Message::TimedOut { at: at(12_090) }];
    let log = format!(
        "{LOG}[   62.900000] INFO: task rmmod:60 blocked for more than 30 seconds.\r\n\
         [   62.900000] Kernel panic - not syncing: hung_task: blocked tasks\r\n"
    );
    let verdicts = [
        ended(&half, &log),
        ended(&[half.clone(), timed_out].concat(), LOG),
        verdict(&bytes(&half), LOG.as_bytes(), GuestEnd::Stuck),
        verdict(
            &bytes(&half),
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
        "hung: the test case exceeded its limit of 120 s (the default; `<!-- limit: N s -->` in the \
         text changes it), after 118 s of the guest's time"
    );
    assert!(words[2].contains("stood still"));
    assert!(words[3].ends_with("after 297 s of the guest's time"));
}

#[test]
fn an_exceeded_limit_names_the_place_that_states_it() {
    let half = [ready(), steps()[0].clone(), vec![began(2, 90)]].concat();
    let half = [half, vec![Message::TimedOut { at: at(12_090) }]].concat();
    let words = |limit| {
        let mut lesson = lesson();
        lesson.transcript.stated_limit = limit;
        let end = GuestEnd::Ended;
        verdict_of(&lesson, &bytes(&half), LOG.as_bytes(), end).to_string()
    };
    let text = words(Some(StatedLimit::Text(20)));
    assert!(
        text.starts_with(
            "hung: the test case exceeded its limit of 20 s (`<!-- limit: N s -->` in the text), "
        ),
        "{text}"
    );
    let manifest = words(Some(StatedLimit::Manifest(20)));
    assert!(
        manifest.starts_with(
            "hung: the test case exceeded its limit of 20 s (`limit` of `[test]` in kmodlab.toml), "
        ),
        "{manifest}"
    );
}

#[test]
fn a_hang_names_the_complaint_that_came_before() {
    let half = [ready(), steps()[0].clone(), vec![began(2, 90)]].concat();
    let log = format!(
        "{LOG}[    3.900000] WARNING: CPU: 0 PID: 51 at x.c:12 init\r\n\
         [    4.000000] ---[ end trace 0000000000000000 ]---\r\n\
         [   62.900000] INFO: task rmmod:60 blocked for more than 30 seconds.\r\n\
         [   62.900000] Kernel panic - not syncing: hung_task: blocked tasks\r\n"
    );
    assert_eq!(
        ended(&half, &log).to_string(),
        "hung: the kernel reported WARNING: CPU: 0 PID: 51 at x.c:12 init, and then \
         INFO: task rmmod:60 blocked for more than 30 seconds, after 60 s of the guest's time"
    );
}

/// Under interleaving, a loop of the instruction PAUSE lets the guest's clock nearly stand still.
#[test]
fn a_busy_module_is_reported_with_a_short_time() {
    let begun = [ready(), vec![began(1, 50)]].concat();
    let log = format!("{LOG}[    2.400000] Kernel panic - not syncing: NMI: Not continuing\r\n");
    let busy = GuestRun {
        interruption: Some(Interruption::Busy),
        ..guest_run(&bytes(&begun), log.as_bytes(), GuestEnd::Ended)
    };
    let evidence = Evidence::read(tag(), &busy);
    assert_eq!(
        judge(&lesson(), &evidence, &busy, VIRTUAL_TOLERANCE, &origins).to_string(),
        "hung: the module keeps a CPU busy and does not return, after 0.9 s of the guest's time"
    );
}
