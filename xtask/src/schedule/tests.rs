use super::*;

pub(super) fn point(function: &str, offset: u32) -> ProbePoint {
    ProbePoint {
        function: function.to_owned(),
        offset,
        section: 1,
        section_offset: u64::from(offset),
        in_kernel: false,
        kind: ProbeKind::Access,
        operand: None,
        calls: None,
    }
}

#[test]
fn equal_seeds_give_equal_schedules_and_other_seeds_other_schedules() {
    let baseline = baseline();
    let command = |seed| Schedule::new(seed, &baseline).order("m").setting.value;
    for seed in 0..50 {
        assert_eq!(command(seed), command(seed));
        assert_ne!(command(seed), command(seed + 1));
    }
}

#[test]
fn some_of_a_hundred_seeds_choose_each_line_whatever_its_number_of_points() {
    let baseline = baseline();
    for line in &baseline.lines {
        let of_line = |point: &ProbePoint| line.points.contains(point);
        let chosen = |seed: &u32| Schedule::new(*seed, &baseline).points.iter().any(of_line);
        let count = (0..100).filter(chosen).count();
        let start = baseline.starts.iter().any(of_line);
        let most = if start || line.tasks.contains("few") {
            100
        } else {
            40
        };
        assert!((4..most).contains(&count), "{line:?}: {count}");
    }
}

/// Returns 40 lines, of which every fourth has four points. The task `few`
/// executes three lines, and the task `many` the others.
fn baseline() -> Baseline {
    let lines = (0..40)
        .map(|line| {
            let count = if line % 4 == 0 { 4 } else { 1 };
            let points = (0..count).map(|n| point("f", 10 * line + n));
            let task = if line < 3 { "few" } else { "many" };
            ProbeLine {
                points: points.collect(),
                tasks: BTreeSet::from([task.to_owned()]),
                is_own: line > 0,
            }
        })
        .collect();
    Baseline {
        starts: vec![point("f", 20), point("f", 30)],
        lines,
        ..Baseline::default()
    }
}

#[test]
fn a_task_with_few_lines_is_chosen_as_often_as_one_with_many() {
    let baseline = Baseline {
        starts: Vec::new(),
        ..baseline()
    };
    let few = baseline.lines[..3].iter().flat_map(|line| &line.points);
    let few: Vec<&ProbePoint> = few.collect();
    let schedules = (0..500).map(|seed| Schedule::new(seed, &baseline).points);
    let pairs: Vec<Vec<ProbePoint>> = schedules.filter(|points| points.len() == 2).collect();
    let points: Vec<&ProbePoint> = pairs.iter().flatten().collect();
    let count = points.iter().filter(|point| few.contains(point)).count();
    assert!(points.len() > 100, "{}", points.len());
    assert!(
        (points.len() * 2 / 5..points.len() * 3 / 5).contains(&count),
        "{count} of {}",
        points.len()
    );
}

#[test]
fn half_of_the_seeds_or_more_choose_each_start() {
    let baseline = baseline();
    for start in &baseline.starts {
        let chosen = |seed: &u32| Schedule::new(*seed, &baseline).points.contains(start);
        let count = (0..100).filter(chosen).count();
        assert!((40..90).contains(&count), "{count}");
    }
}

#[test]
fn a_command_fits_into_a_page_whatever_the_length_of_the_symbols() {
    let lines = (0..40).map(|n| ProbeLine {
        points: vec![point(&format!("{n:0500}"), 1)],
        tasks: BTreeSet::from(["task".to_owned()]),
        is_own: true,
    });
    let baseline = Baseline {
        lines: lines.collect(),
        ..Baseline::default()
    };
    for seed in 0..20 {
        let command = Schedule::new(seed, &baseline).order("m").setting.value;
        assert!((500..4096).contains(&command.len()));
    }
}

#[test]
fn a_range_of_seeds_ends_at_the_largest_number() {
    assert!(Seeds::new(u32::MAX, 1).is_some());
    assert!(Seeds::new(u32::MAX, 2).is_none());
    assert!(Seeds::new(1, 0).is_none());
    let seeds: Vec<u32> = Seeds::new(7, 3).into_iter().flat_map(Seeds::all).collect();
    assert_eq!(seeds, [7, 8, 9]);
}
