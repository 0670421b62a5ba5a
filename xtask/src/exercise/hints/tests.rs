use anyhow::Result;

use super::*;
use crate::exercise::Catalogue;
use crate::exercise::result::{CompileResult, PartState};
use crate::report::json::RunEntry;

const TASK: &str = "\
# T

## Loads (5 points)

## Leaves (5 points)

## Hints

1. First.
2. Second.

### hang

Any hang.

### hang in kthread_stop

A hang in stop.

### mismatch (part 2)

Only there.

### E0382

Moved.
";

const WRONG: &str = "\
verdict: mismatch
part: Loads
The wrong number.
--- a
+++ b
@@ -1 +1 @@
-x
+y
";

fn part(title: &str, verdict: &str, log: &[&str]) -> Result<PartResult> {
    let run = r#"{"lesson":"","title":"","language":"","repetition":1,"injected_delays":[],
        "readme":"","verdict":"","message":"","kernel_log":[],"source_locations":[],
        "output_excerpt":[],"left_behind":[],"duration_seconds":0.0}"#;
    let run: RunEntry = serde_json::from_str(run)?;
    Ok(PartResult {
        title: title.to_owned(),
        verdict: verdict.to_owned(),
        state: PartState::Failed,
        run: Some(RunEntry {
            kernel_log: log.iter().map(ToString::to_string).collect(),
            ..run
        }),
        ..PartResult::default()
    })
}

fn result(parts: Vec<PartResult>, code: Option<&str>) -> CheckResult {
    CheckResult {
        schema: 1,
        exercise: String::new(),
        title: String::new(),
        language: "rust".to_owned(),
        answer: String::new(),
        kernel: None,
        compile: CompileResult {
            verdict: if code.is_some() {
                "does-not-compile"
            } else {
                "pass"
            }
            .to_owned(),
            error_code: code.map(str::to_owned),
            ..CompileResult::default()
        },
        parts,
        points: 0,
        maximum: 10,
        imports: Vec::new(),
        refused: None,
        hints: Vec::new(),
    }
}

#[test]
fn the_best_hint_is_the_first() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    std::fs::create_dir(root.join("wrong"))?;
    std::fs::write(root.join("task.md"), TASK)?;
    std::fs::write(root.join("t.rs"), "x\n")?;
    std::fs::write(root.join("wrong/number.rs.patch"), WRONG)?;
    let catalogue = Catalogue::of_folder(root)?;
    let [exercise] = &catalogue.exercises[..] else {
        panic!("one exercise: {:?}", catalogue.broken);
    };
    let table: HintTable = toml::from_str(
        "[[hint]]\nwhen = \"hang\"\ntext = \"General.\"\n\
         [[hint]]\nwhen = \"hang in wait_event\"\ntext = \"Waits.\"\nlesson = \"x#y\"\n",
    )?;
    let variant = exercise.task.variants.defaults();
    let hints = |result: &CheckResult| -> Vec<String> {
        let hints = candidates(exercise, Language::Rust, &variant, "y\n", &table, result);
        hints.into_iter().map(|hint| hint.text).collect()
    };
    let hang = part(
        "Loads",
        "hang",
        &[" kthread_stop+0x5c/0xb0", "x wait_event "],
    )?;
    assert_eq!(
        hints(&result(vec![hang], None)),
        [
            "A hang in stop.",
            "Any hang.",
            "Waits.",
            "First.",
            "Second."
        ]
    );
    let elsewhere = part("Loads", "hang", &["my_kthread_stop+0x1", "kthread_stopped"])?;
    assert_eq!(
        hints(&result(vec![elsewhere], None))[..2],
        ["Any hang.", "General."]
    );
    let mismatch = part("Loads", "mismatch", &[])?;
    let similar = "An answer that failed in the same way: The wrong number.";
    assert_eq!(
        hints(&result(vec![mismatch], None)),
        [similar, "First.", "Second."]
    );
    let other_part = part("Leaves", "mismatch", &[])?;
    assert_eq!(
        hints(&result(vec![other_part], None)),
        ["Only there.", "First.", "Second."]
    );
    let mismatch = result(vec![part("Loads", "mismatch", &[])?], None);
    let other_source = candidates(exercise, Language::Rust, &variant, "z\n", &table, &mismatch);
    assert_eq!(other_source[0].text, "First.");
    assert_eq!(hints(&result(Vec::new(), Some("E0382")))[0], "Moved.");
    let passed = PartResult {
        state: PartState::Passed,
        ..PartResult::default()
    };
    assert!(hints(&result(vec![passed], None)).is_empty());
    Ok(())
}

#[test]
fn what_a_module_lacks_has_a_hint() -> Result<()> {
    let table = HintTable::load(&Workspace::find()?)?;
    for (message, expected) in [
        (
            "call to undeclared library function 'printf' with type",
            "printf",
        ),
        ("fatal error: 'stdio.h' file not found", "stdio"),
        (
            "error: cannot find macro `println` in this scope",
            "println",
        ),
        ("use of unresolved module or unlinked crate `std`", "std"),
        (
            "call to undeclared library function 'malloc' with type",
            "malloc",
        ),
        ("call to undeclared function 'sleep'; ISO C99", "sleep"),
        ("call to undeclared function 'msleep'", ""),
    ] {
        let symptoms = Symptoms {
            verdicts: vec!["does-not-compile"],
            part: None,
            part_number: None,
            lines: vec![message],
        };
        let met = table
            .hints
            .iter()
            .map(|hint| HintCondition::read(&hint.when));
        let met = met.filter(|condition| symptoms.meets(condition));
        let symbols: Vec<String> = met.filter_map(|condition| condition.symbol).collect();
        let expected: Vec<&str> = expected.split_whitespace().collect();
        assert_eq!(symbols, expected, "{message}");
    }
    Ok(())
}
