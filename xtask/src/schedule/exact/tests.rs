//! Tests of the text and the order of an exact schedule.

use super::super::probe_points::ProbeKind;
use super::*;
use crate::schedule::KernelPoint;

fn delay(task: &str, offset: u32, arrival: u32, nanoseconds: u64) -> ExactDelay {
    ExactDelay {
        task: task.to_owned(),
        function: "draw".to_owned(),
        offset,
        until: None,
        arrival,
        nanoseconds,
    }
}

fn point(offset: u32) -> ProbePoint {
    ProbePoint {
        function: "draw".to_owned(),
        offset,
        section: 1,
        section_offset: u64::from(offset),
        in_kernel: false,
        kind: ProbeKind::Access,
        operand: None,
        calls: None,
    }
}

fn code(points: &[ProbePoint]) -> ModuleCode {
    ModuleCode {
        points: points.to_vec(),
        kernel: Vec::new(),
        held: Vec::new(),
    }
}

fn schedule() -> ExactSchedule {
    ExactSchedule {
        start_nanoseconds: 2_104_857,
        delays: vec![
            delay("insmod", 0x1b, 1, 100_000),
            delay("a b:1/é", 7, 12, 1),
            delay("insmod", 0x1b, 3, 0),
        ],
    }
}

#[test]
fn a_text_gives_the_same_schedule() {
    let text = schedule().to_string();
    let expected = "start=2.104857ms insmod@draw+0x1b#1=0.1ms \
                    a%20b%3a1%2f%c3%a9@draw+0x7#12=0.000001ms insmod@draw+0x1b#3=0ms";
    assert_eq!(text, expected);
    assert_eq!(text.parse(), Ok(schedule()));
    assert_eq!("start=0ms".parse(), Ok(ExactSchedule::default()));
}

#[test]
fn a_store_is_held_back_up_to_another_instruction() {
    let text = "start=0ms insmod@draw+0x7..0x1b#1=2ms insmod@draw+0x7#1=1ms";
    let schedule: ExactSchedule = text.parse().expect("two delays");
    assert_eq!(schedule.to_string(), text);
    assert_eq!(schedule.delays[0].until, Some(0x1b));
    let held = HeldStore::new(point(7), point(9), point(0x1b), vec![point(9)]);
    let code = ModuleCode {
        held: vec![held],
        ..code(&[point(7)])
    };
    let order = schedule.order("m", &code, &[]).expect("a store");
    assert_eq!(
        order.setting.value,
        "m exact 0 0:insmod:1=01000000,0>2:insmod:1=02000000 draw+7:5+9:5+27\n"
    );
    let unknown: ExactSchedule = "a@draw+7..9#1=1ms".parse().expect("a delay");
    let unknown = unknown.order("m", &code, &[]).expect_err("another end");
    assert_eq!(unknown.until, Some(9));
    for text in [
        "a@draw+7..0x#1=1ms",
        "a@draw+7..#1=1ms",
        "a@draw+7..9#1=1ms a@draw+7..27#2=1ms",
    ] {
        assert!(text.parse::<ExactSchedule>().is_err(), "{text}");
    }
}

#[test]
fn an_order_numbers_the_probe_points_and_groups_the_arrivals() {
    let points = [point(7), point(9), point(0x1b)];
    let order = schedule()
        .order("m", &code(&points), &[])
        .expect("all are points");
    assert_eq!(
        order.setting.value,
        "m exact 2104857 0:a%20b%3a1%2f%c3%a9:12=00000001,\
         1:insmod:1=00100000+3=00000000 draw+7+27\n"
    );
    assert_eq!(order.points, [point(7), point(0x1b)]);
    let order = schedule().order("m", &code(&points), &points[1..2]);
    let order = order.expect("all are points");
    assert!(order.setting.value.starts_with("m observed 2104857 0:a%20"));
    assert_eq!(order.points, points);
    let none = ExactSchedule::default().order("m", &code(&points), &[]);
    assert_eq!(none.expect("no points").setting.value, "m exact 0 - \n");
    let unknown = schedule().order("m", &code(&points[..2]), &[]);
    assert_eq!(unknown.expect_err("0x1b").offset, 0x1b);
}

#[test]
fn a_delay_may_be_in_the_kernel() {
    let unlock = ProbePoint {
        function: "mutex_unlock".to_owned(),
        section: usize::MAX,
        in_kernel: true,
        ..point(22)
    };
    let code = ModuleCode {
        kernel: vec![KernelPoint {
            point: unlock.clone(),
            called: vec!["mutex_unlock".to_owned()],
        }],
        ..code(&[point(7)])
    };
    let schedule: ExactSchedule = "start=0ms a@mutex_unlock+0x16#1=5ms a@draw+0x7#1=1ms"
        .parse()
        .expect("it is a schedule");
    let order = schedule.order("m", &code, &[]).expect("both are points");
    assert_eq!(
        order.setting.value,
        "m exact 0 0:a:1=01000000,1:a:1=05000000 draw+7,vmlinux:mutex_unlock+22\n"
    );
    assert_eq!(order.points, [point(7), unlock]);
}

#[test]
fn texts_that_are_not_schedules_are_refused_with_the_word_and_the_reason() {
    for (text, what) in [
        ("", "the schedule is empty"),
        ("x", "`x`: write a delay as"),
        ("start=4ms", "below 4ms"),
        ("start=1", "below 4ms"),
        ("a@f+1#1=1ms start=1ms", "`start=` comes first"),
        ("start=1ms start=1ms", "`start=` comes first"),
        ("a@f+1#1", "write a delay as"),
        ("@f+1#1=1ms", "the task's name"),
        ("a%2@f+1#1=1ms", "the task's name"),
        ("abcdefghijklmnop@f+1#1=1ms", "the task's name"),
        ("a@f g+1#1=1ms", "`a@f`"),
        ("a@+1#1=1ms", "symbol of the module"),
        ("a@f,g+1#1=1ms", "symbol of the module"),
        ("a@f+x#1=1ms", "the offset"),
        ("a@f+1#0=1ms", "numbered from 1"),
        ("a@f+1#-1=1ms", "numbered from 1"),
        ("a@f+1#1=1", "in milliseconds"),
        ("a@f+1#1=-1ms", "in milliseconds"),
        ("a@f+1#1=0.0000001ms", "in milliseconds"),
        ("a@f+1#1=1ms a@f+0x1#1=2ms", "another delay"),
        ("a@f+1#1=1990ms a@f+1#2=11ms", "at most 2000ms"),
        ("a@f+1#1=99999999999999999999ms", "in milliseconds"),
    ] {
        let error = text.parse::<ExactSchedule>().expect_err(text);
        assert!(error.contains(what), "{text}: {error}");
    }
    let many: Vec<String> = (1..400).map(|n| format!("a@f+1#{n}=0ms")).collect();
    let error = many.join(" ").parse::<ExactSchedule>().expect_err("many");
    assert!(error.contains("more delays"), "{error}");
}
