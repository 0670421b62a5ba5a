//! States for the tests of the screen and of the plain lines.

use super::message::CheckMessage;
use super::state::{CourseRow, LearnPage, LearnState, Look, PartRow, Phase, TaskInfo};
use crate::exercise::result::{
    CheckResult, CompileResult, HintEntry, HintSource, PartResult, PartState, RESULT_SCHEMA,
    ScheduleCounts,
};
use crate::modules::Language;
use crate::report::json::RunEntry;

/// The source of the answer.
const SOURCE: &str = "fn wait() {\n    pr_info!(\"wait thread i = {}\\n\", i);\n}\n";

/// Returns the state before the first check.
pub(super) fn new() -> LearnState {
    let row = |id: &str, title: &str, passed| CourseRow {
        id: id.to_owned(),
        title: title.to_owned(),
        passed,
        points: if passed { 20 } else { 0 },
        maximum: 20,
    };
    let part = |title: &str, maximum, schedules| PartRow {
        title: title.to_owned(),
        maximum,
        schedules,
        ..PartRow::default()
    };
    LearnState {
        task: TaskInfo {
            id: "io_wait_event/2-every-fifth".to_owned(),
            title: "Every fifth".to_owned(),
            module: "every_fifth".to_owned(),
            language: Some(Language::Rust),
            text_path: "io_wait_event/2-every-fifth/task.md".to_owned(),
            answer_path: "io_wait_event/2-every-fifth/every_fifth.rs".to_owned(),
            minutes: Some(25),
            text: "# Every fifth\n\nOne thread counts.\n\n```console\n# insmod\n```\n".to_owned(),
            start: "// TODO\n".to_owned(),
            lines: vec![12, 24, 38, 48],
        },
        course: vec![
            row("hello/1-greet", "Greet", true),
            row("kthread_run/1-sleepy", "Sleepy", true),
            row("io_wait_event/2-every-fifth", "Every fifth", false),
            row("completion_stop/1-twice", "Twice", false),
        ],
        recorded_tries: 6,
        last_try: String::new(),
        phase: Phase::Checked,
        compiled: None,
        parts: vec![
            part("Loads", 5, None),
            part("Wakes once for each", 15, None),
            part("Leaves early", 5, None),
            part("Survives 30 schedules", 10, Some(30)),
        ],
        result: None,
        details: Vec::new(),
        source: String::new(),
        hints_shown: 0,
        page: LearnPage::Parts,
        scroll: 0,
        note: None,
        look: Look {
            colours: true,
            unicode: true,
        },
    }
}

/// Returns the state in a check of which the second part runs.
pub(super) fn checking() -> LearnState {
    let mut state = new();
    state.begin(SOURCE.to_owned());
    state.receive(CheckMessage::Compiled { result: compiles() }, 3.84);
    state.receive(CheckMessage::Began { part: 0 }, 4.0);
    let result = Box::new(part(0, PartState::Passed));
    state.receive(CheckMessage::Judged { part: 0, result }, 4.6);
    state.receive(CheckMessage::Began { part: 1 }, 4.6);
    state.tick(5.2);
    state
}

/// Returns the state after a check in which the second part failed.
pub(super) fn failed() -> LearnState {
    let mut wakes = part(1, PartState::Failed);
    "mismatch".clone_into(&mut wakes.verdict);
    "printed other lines than the text".clone_into(&mut wakes.message);
    wakes.run = Some(run(&serde_json::json!({
        "verdict": "mismatch",
        "failed_step": { "line": 33, "command": "dmesg | grep 'wait thread' | head -n 2" },
        "mismatch": {
            "expected": [
                "[..] every_fifth: wait thread i = 5",
                "[+1.0s] every_fifth: wait thread i = 10",
            ],
            "printed": [
                "[..] every_fifth: wait thread i = 5",
                "[+0.2s] every_fifth: wait thread i = 6",
            ],
            "expected_status": 0, "status": 0, "further": 1,
        },
    })));
    let hint = "`i % 5 == 0` stays true while `i` does not change.";
    after(wakes, &[(HintSource::Verdict, hint)])
}

/// Returns the state after a check in which the second part did not end.
pub(super) fn hung() -> LearnState {
    let mut wakes = part(1, PartState::Failed);
    "hang".clone_into(&mut wakes.verdict);
    "a task waited for 30 s".clone_into(&mut wakes.message);
    let log = (0..12).map(|number| format!("[   31.{number:06}] line {number}"));
    wakes.run = Some(run(&serde_json::json!({
        "verdict": "hang",
        "failed_step": { "line": 34, "command": "rmmod every_fifth" },
        "source_locations": [{
            "task": "every_fifth wait (60)", "file": "every_fifth.rs", "line": 2,
            "function": "wait", "source": "    shared.queue.wait_event(|| false);",
        }],
        "kernel_log": log.collect::<Vec<_>>(),
    })));
    after(wakes, &[])
}

/// Returns the state after a check in which all parts passed.
pub(super) fn passed() -> LearnState {
    let mut state = after(part(1, PartState::Passed), &[]);
    state.course[2].passed = true;
    state
}

/// Returns the state after a check of an answer that does not compile.
pub(super) fn compile_error() -> LearnState {
    let mut state = new();
    state.begin(SOURCE.to_owned());
    let compile = CompileResult {
        verdict: "does-not-compile".to_owned(),
        message: "error[E0425]: cannot find value `i` in this scope\n \
                  --> io_wait_event/2-every-fifth/every_fifth.rs:2:38\n  |\n\
                  2 |     pr_info!(\"wait thread i = {}\\n\", i);\n"
            .to_owned(),
        ..CompileResult::default()
    };
    let parts = (0..4).map(|index| part(index, PartState::NotRun));
    finish(&mut state, compile, parts.collect(), &[]);
    state
}

/// Returns the state after an answer that passes all parts, and that the course refuses.
pub fn refused() -> LearnState {
    let mut state = passed();
    if let Some(result) = &mut state.result {
        let reason = "every_fifth.rs:12: `unsafe` is not allowed in a submission";
        result.refused = Some(reason.to_owned());
    }
    state
}

fn compiles() -> CompileResult {
    CompileResult {
        verdict: "pass".to_owned(),
        ..CompileResult::default()
    }
}

fn after(wakes: PartResult, hints: &[(HintSource, &str)]) -> LearnState {
    let mut state = checking();
    let all = wakes.passed();
    let schedules = match all {
        true => PartState::Passed,
        false => PartState::NotRun,
    };
    let parts = vec![
        part(0, PartState::Passed),
        wakes,
        part(2, PartState::Passed),
        part(3, schedules),
    ];
    let written = [(HintSource::Written, "`wake_up` wakes all threads.")];
    let hints = if all {
        vec![]
    } else {
        [hints, &written].concat()
    };
    finish(&mut state, compiles(), parts, &hints);
    state
}

fn finish(
    state: &mut LearnState,
    compile: CompileResult,
    parts: Vec<PartResult>,
    hints: &[(HintSource, &str)],
) {
    let hint = |(source, text): &(HintSource, &str)| HintEntry {
        source: *source,
        heading: "hang".to_owned(),
        text: (*text).to_owned(),
        lesson: None,
    };
    let result = Box::new(CheckResult {
        imports: Vec::new(),
        refused: None,
        schema: RESULT_SCHEMA,
        exercise: state.task.id.clone(),
        title: state.task.title.clone(),
        language: "rust".to_owned(),
        answer: state.task.answer_path.clone(),
        kernel: None,
        compile,
        points: parts.iter().map(|part| part.points).sum(),
        maximum: 35,
        parts,
        hints: hints.iter().map(hint).collect(),
    });
    let details = vec![Vec::new(), vec!["a line of the report".to_owned()]];
    state.receive(CheckMessage::Finished { result, details }, 9.9);
    state.hints_shown = state.first_hints();
    state.recorded_tries += 1;
}

fn part(index: usize, state: PartState) -> PartResult {
    let row = &new().parts[index];
    PartResult {
        number: index + 1,
        title: row.title.clone(),
        points: if state == PartState::Passed {
            row.maximum
        } else {
            0
        },
        maximum: row.maximum,
        state,
        verdict: "pass".to_owned(),
        schedules: row.schedules.map(|requested| ScheduleCounts {
            requested,
            passed: requested,
            first_failing_seed: None,
        }),
        run: Some(run(&serde_json::json!({}))),
        ..PartResult::default()
    }
}

/// Returns a run with these fields; the others are empty.
fn run(fields: &serde_json::Value) -> RunEntry {
    let mut value = serde_json::json!({
        "lesson": "", "title": "", "language": "rust", "repetition": 1, "seed": null,
        "schedule": null, "injected_delays": [], "readme": "", "verdict": "pass", "message": "",
        "failed_step": null, "mismatch": null, "earlier_mismatch": null,
        "unexpected_success": null, "kernel_log": [], "source_locations": [],
        "output_excerpt": [], "left_behind": [], "duration_seconds": 0.94,
        "guest_clock_seconds": null, "phases": null, "guest_log": null, "artifacts": null,
    });
    for (name, field) in fields.as_object().into_iter().flatten() {
        value[name] = field.clone();
    }
    serde_json::from_value(value).expect("a run")
}
