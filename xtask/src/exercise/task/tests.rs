use super::*;
use crate::modules::Language;

const TASK: &str = "\
# Every `fifth`

```toml exercise
minutes = 25
vary.step = { default = \"5\", values = [\"4\", \"6\"] }
forbids.rust = [\"unsafe\"]
```

Wake at each {{step}}.

## Loads (5 points)

```toml part
todo = 1
calls = { c = [\"schedule\"] }
```

It loads.

```console
$ insmod x.ko
```

## Secret (1 point)

```toml part
hidden = true
schedules = 3
```

```console
$ echo {{step}}
```

## Background

No part.

## Hints

1. A hint.
";

fn parse(text: &str) -> Result<TaskText, TextError> {
    TaskText::parse(text, Path::new("task.md"))
}

#[test]
fn a_task_has_parts_and_settings() -> Result<(), TextError> {
    let task = parse(TASK)?;
    assert_eq!(task.title, "Every fifth");
    assert_eq!(task.minutes, Some(25));
    assert_eq!(task.forbids.of(Language::Rust), ["unsafe"]);
    assert_eq!(task.points(), 5);
    let [loads, secret] = &task.parts[..] else {
        panic!("two parts: {:?}", task.parts);
    };
    assert_eq!((&*loads.title, loads.points, loads.line), ("Loads", 5, 11));
    assert_eq!(loads.settings.todo, 1);
    assert_eq!(loads.settings.calls.of(Language::C), ["schedule"]);
    assert!(loads.settings.calls.of(Language::Rust).is_empty());
    assert_eq!((secret.points, secret.settings.schedules), (1, Some(3)));
    assert_eq!(task.hints.written, ["A hint."]);
    Ok(())
}

#[test]
fn a_student_gets_the_text_without_settings_hints_and_hidden_parts() -> Result<(), TextError> {
    let task = parse(TASK)?;
    let variant = task.variants.defaults();
    let text = task.student_text(&variant, false);
    assert_eq!(
        text.markdown,
        "# Every `fifth`\n\nWake at each 5.\n\n## Loads (5 points)\n\nIt loads.\n\n```console\n\
         $ insmod x.ko\n```\n\n## Background\n\nNo part.\n"
    );
    assert_eq!(text.line_of(0, LineNumbers::OfStudent), Some(5));
    assert_eq!(text.line_of(0, LineNumbers::OfTask), Some(11));
    assert_eq!(text.line_of(1, LineNumbers::OfStudent), None);
    for (numbers, index) in [(LineNumbers::OfStudent, 9), (LineNumbers::OfTask, 20)] {
        let part = text.of_part(0, numbers);
        assert_eq!(part.lines().nth(index), Some("$ insmod x.ko"));
    }
    let whole = task.student_text(&Variant([("step".into(), "6".into())].into()), true);
    assert!(
        whole
            .of_part(1, LineNumbers::OfStudent)
            .contains("$ echo 6")
    );
    Ok(())
}

#[test]
fn a_mistake_has_its_line() {
    let cases = [
        ("", "task.md:1: this text has no title"),
        ("# X\n", "task.md:1: this text has no part"),
        ("# X\n\n{{y}}\n", "task.md:3: `{{y}}` is not varied"),
        (
            "# X\n## A (1 point)\n## A (2 points)\n",
            "task.md:3: a second part",
        ),
        (
            "# X\n```toml part\n```\n",
            "task.md:2: this block is not below",
        ),
        (
            "# X\n```toml prat\n```\n",
            "task.md:2: `toml prat` is neither",
        ),
        (
            "# X\n## A (1 point)\n```toml part\ntoto = 1\n```\n",
            "task.md:3: TOML parse error at line 1",
        ),
        (
            "# X\n## A (1 point)\n```toml part\nverdict = \"panik\"\n```\n",
            "task.md:2: `panik` is not a verdict",
        ),
        (
            "# X\n## A (1 point)\n```toml part\nweak_memory = true\n```\n",
            "task.md:2: `weak_memory` is a way to draw schedules",
        ),
        (
            "# X\n## A (1 point)\n## Hints\ntext\n",
            "task.md:4: this text",
        ),
    ];
    for (text, expected) in cases {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
}
