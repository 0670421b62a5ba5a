use super::*;
use crate::exercise::result::CheckResult;
use anyhow::Context as _;

const TASK_TEXT: &str = "# T\n\n## Loads (5 points)\n\n```toml part\ntodo = 1\n```\n";

const SOLUTION: &str = "// TODO 1: x\n//@ 1 {\nx\n//@ 1 }\n";

struct Fixture {
    exercises: tempfile::TempDir,
    student: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Result<Self> {
        let fixture = Self {
            exercises: tempfile::tempdir()?,
            student: tempfile::tempdir()?,
        };
        fixture.exercise("task.md", TASK_TEXT)?;
        fixture.exercise("a.rs", SOLUTION)?;
        Ok(fixture)
    }

    fn exercise(&self, name: &str, text: &str) -> Result<()> {
        whole_file::write_below(
            &self.exercises.path().join("l/exercises/1-a").join(name),
            text,
        )
    }

    fn catalogue(&self) -> Result<Catalogue> {
        Catalogue::of_folder(self.exercises.path())
    }

    fn read(&self, name: &str) -> Result<String> {
        Ok(std::fs::read_to_string(
            self.student.path().join("l/1-a").join(name),
        )?)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        whole_file::write_below(&self.student.path().join("l/1-a").join(name), text)
    }

    fn init(&self) -> Result<StudentFolder> {
        StudentFolder::init(self.student.path(), Language::C, &self.catalogue()?)
    }
}

#[test]
fn a_folder_has_all_exercises_and_is_found_from_within() -> Result<()> {
    let fixture = Fixture::new()?;
    let folder = fixture.init()?;
    assert_eq!(fixture.read("task.md")?, "# T\n\n## Loads (5 points)\n");
    // The exercise is in Rust only.
    assert_eq!(fixture.read("a.rs")?, "// TODO 1: x\n");
    let below = fixture.student.path().join("l/1-a");
    assert_eq!(StudentFolder::around(&below)?, folder);
    let catalogue = fixture.catalogue()?;
    assert_eq!(folder.choose(&catalogue, None, &below)?.id, "l/1-a");
    assert_eq!(
        folder.choose(&catalogue, Some("a"), Path::new("/"))?.id,
        "l/1-a"
    );
    assert!(StudentFolder::around(fixture.exercises.path()).is_err());
    let other = StudentFolder::init(fixture.student.path(), Language::Rust, &catalogue);
    assert!(other.is_err());
    Ok(())
}

#[test]
fn an_upgrade_replaces_only_files_that_the_student_did_not_change() -> Result<()> {
    let fixture = Fixture::new()?;
    let folder = fixture.init()?;
    fixture.exercise("a.rs", &format!("new\n{SOLUTION}"))?;
    assert_eq!(folder.update(&fixture.catalogue()?)?, []);
    assert_eq!(fixture.read("a.rs")?, "new\n// TODO 1: x\n");

    fixture.write("a.rs", "mine\n")?;
    fixture.write("task.md", "notes\n")?;
    assert_eq!(folder.update(&fixture.catalogue()?)?, []);
    assert_eq!(fixture.read("task.md")?, "notes\n");
    fixture.exercise("a.rs", &format!("newer\n{SOLUTION}"))?;
    fixture.exercise("task.md", &TASK_TEXT.replace("# T", "# U"))?;
    let updates = folder.update(&fixture.catalogue()?)?;
    let [FileUpdate::Kept { kept, .. }, FileUpdate::Outdated { file }] = &updates[..] else {
        panic!("{updates:?}");
    };
    assert!(kept.ends_with("task.md.1") && file.ends_with("a.rs"));
    assert_eq!(fixture.read("task.md.1")?, "notes\n");
    assert_eq!(fixture.read("a.rs")?, "mine\n");
    // Noted once.
    assert_eq!(folder.update(&fixture.catalogue()?)?, []);
    Ok(())
}

#[test]
fn reset_keeps_the_answer() -> Result<()> {
    let fixture = Fixture::new()?;
    let folder = fixture.init()?;
    let catalogue = fixture.catalogue()?;
    let exercise = catalogue.find("a")?;
    assert_eq!(folder.reset(exercise)?, None);
    for (text, kept) in [("one\n", "a.rs.1"), ("two\n", "a.rs.2")] {
        fixture.write("a.rs", text)?;
        let path = folder.reset(exercise)?.context("an answer was kept")?;
        assert!(path.ends_with(kept));
        assert_eq!(fixture.read(kept)?, text);
        assert_eq!(fixture.read("a.rs")?, "// TODO 1: x\n");
    }
    Ok(())
}

/// Returns the result of a check that failed, with two hints.
fn failed() -> Result<CheckResult> {
    failed_with(&["1", "2"])
}

fn failed_with(hints: &[&str]) -> Result<CheckResult> {
    let hint = |heading: &str| {
        serde_json::json!({
            "source": "written", "heading": heading, "text": "x", "lesson": null,
        })
    };
    Ok(serde_json::from_value(serde_json::json!({
        "schema": 1, "exercise": "l/1-a", "title": "T", "language": "rust", "answer": "a.rs",
        "kernel": null, "parts": [], "points": 0, "maximum": 5,
        "compile": {
            "verdict": "pass", "message": "", "warnings": "", "file": null, "line": null,
            "error_code": null,
        },
        "hints": hints.iter().map(|heading| hint(heading)).collect::<Vec<_>>(),
    }))?)
}

#[test]
fn only_a_changed_answer_is_a_try() -> Result<()> {
    let fixture = Fixture::new()?;
    let folder = fixture.init()?;
    let catalogue = fixture.catalogue()?;
    let exercise = catalogue.find("a")?;
    for (text, tries) in [
        ("// TODO 1: x\n", 0),
        ("// TODO 1: x\nx\n", 1),
        ("// TODO 1: x\nx\n", 1),
        ("y\n", 2),
        ("// TODO 1: x\n", 2),
        ("y\n", 2),
        ("z\n", 3),
    ] {
        folder.record(exercise, text, &failed()?)?;
        assert_eq!(folder.progress()?.of("l/1-a").checks, tries, "{text}");
    }
    let text = std::fs::read_to_string(fixture.student.path().join("progress.toml"))?;
    assert!(text.contains("\nchecks = 3\n"), "{text}");
    Ok(())
}

#[test]
fn hints_are_counted_anew_if_those_that_were_shown_change() -> Result<()> {
    let fixture = Fixture::new()?;
    let folder = fixture.init()?;
    let catalogue = fixture.catalogue()?;
    let exercise = catalogue.find("a")?;
    for (hints, count) in [(&["1", "2", "4"], 2), (&["1", "3", "2"], 0)] {
        folder.record(exercise, "y\n", &failed()?)?;
        let mut progress = folder.progress()?;
        progress.of_mut("l/1-a").hints = 2;
        folder.save(&progress)?;
        folder.record(exercise, "z\n", &failed_with(hints)?)?;
        assert_eq!(folder.progress()?.of("l/1-a").hints, count, "{hints:?}");
    }
    Ok(())
}

#[test]
fn reset_begins_the_hints_anew() -> Result<()> {
    let fixture = Fixture::new()?;
    let folder = fixture.init()?;
    let catalogue = fixture.catalogue()?;
    let exercise = catalogue.find("a")?;
    // With an answer that has changed, and with the file as it was at the beginning.
    for text in ["y\n", "// TODO 1: x\n"] {
        fixture.write("a.rs", text)?;
        folder.record(exercise, text, &failed()?)?;
        let mut progress = folder.progress()?;
        progress.of_mut("l/1-a").hints = 2;
        folder.save(&progress)?;
        folder.reset(exercise)?;
        assert_eq!(folder.progress()?.of("l/1-a").hints, 0, "{text}");
        assert!(folder.last_result(exercise).is_none(), "{text}");
    }
    Ok(())
}

#[test]
fn progress_keeps_what_this_version_does_not_know() -> Result<()> {
    let fixture = Fixture::new()?;
    let folder = fixture.init()?;
    let path = fixture.student.path().join("progress.toml");
    let text = std::fs::read_to_string(&path)?;
    let other = "\n[exercise.\"gone/1-x\"]\npassed = true\npoints = 3\nmood = \"good\"\n";
    std::fs::write(&path, text + other)?;
    let mut progress = folder.progress()?;
    assert!(progress.of("gone/1-x").passed);
    progress.of_mut("l/1-a").passed = true;
    folder.save(&progress)?;
    assert_eq!(folder.progress()?, progress);
    assert!(std::fs::read_to_string(&path)?.contains("mood = \"good\""));
    assert!(progress.next(&fixture.catalogue()?).is_none());
    std::fs::write(&path, "exercise = 1\n")?;
    assert!(folder.progress().is_err());
    Ok(())
}

#[test]
fn values_of_the_folder_replace_the_default_ones() -> Result<()> {
    let fixture = Fixture::new()?;
    let settings =
        "```toml exercise\nvary.step = { default = \"5\", values = [\"5\", \"7\"] }\n```\n";
    fixture.exercise(
        "task.md",
        &TASK_TEXT.replace("# T\n", &format!("# T\n\n{settings}\nBy {{{{step}}}}.\n")),
    )?;
    fixture.exercise("a.rs", &format!("step(5); //@ vary step\n{SOLUTION}"))?;
    fixture.init()?;
    assert_eq!(fixture.read("a.rs")?, "step(5);\n// TODO 1: x\n");
    let manifest = fixture.student.path().join(MANIFEST);
    let with = |values: &str| -> Result<StudentFolder> {
        std::fs::write(&manifest, format!("[learn]\nlanguage = \"rust\"\n{values}"))?;
        StudentFolder::open(fixture.student.path())
    };
    let catalogue = fixture.catalogue()?;
    let folder = with("[values.\"l/1-a\"]\nstep = \"7\"\n")?;
    assert_eq!(folder.update(&catalogue)?, []);
    assert_eq!(fixture.read("a.rs")?, "step(7);\n// TODO 1: x\n");
    assert!(fixture.read("task.md")?.contains("By 7."));
    assert_eq!(folder.variant_of(catalogue.find("a")?).0["step"], "7");
    for (values, problem) in [
        (
            "[values.\"l/2-a\"]\nstep = \"7\"\n",
            "no exercise has this id",
        ),
        ("[values.\"l/1-a\"]\nstop = \"7\"\n", "does not vary `stop`"),
        (
            "[values.\"l/1-a\"]\nstep = \"6\"\n",
            "one of `5`, `7`, and not `6`",
        ),
    ] {
        let error = with(values)?
            .select(fixture.catalogue()?)
            .expect_err(values);
        assert!(error.to_string().contains(problem), "{error}");
    }
    Ok(())
}

#[test]
fn a_folder_may_have_some_exercises_only() -> Result<()> {
    let fixture = Fixture::new()?;
    let folder = fixture.init()?;
    assert_eq!(folder.select(fixture.catalogue()?)?.exercises.len(), 1);
    let manifest = fixture.student.path().join(MANIFEST);
    for (ids, count) in [("[]", None), ("[\"l/1-a\"]", Some(1)), ("[\"a\"]", None)] {
        let text = format!("[learn]\nlanguage = \"rust\"\nexercises = {ids}\n");
        std::fs::write(&manifest, text)?;
        let folder = StudentFolder::open(fixture.student.path())?;
        let selected = folder.select(fixture.catalogue()?).ok();
        assert_eq!(selected.map(|one| one.exercises.len()), count, "{ids}");
    }
    Ok(())
}

#[test]
fn a_wrong_manifest_is_an_error_and_that_of_a_module_is_passed_over() -> Result<()> {
    let fixture = Fixture::new()?;
    let folder = fixture.init()?;
    let below = folder.root.join("l/1-a");
    // A module of the student's own, within the folder.
    std::fs::write(below.join(MANIFEST), "[module.x]\n")?;
    assert_eq!(StudentFolder::find(&below)?, Some(folder.clone()));
    std::fs::write(
        folder.root.join(MANIFEST),
        "[learn]\nlanguage = \"c\"\nexercices = []\n",
    )?;
    for error in [
        StudentFolder::find(&below),
        StudentFolder::around(&below).map(Some),
    ] {
        let error = error.expect_err("a misspelt key").to_string();
        assert!(
            error.contains("kmodlab.toml") && error.contains("exercices"),
            "{error}"
        );
    }
    assert_eq!(StudentFolder::find(fixture.exercises.path())?, None);
    Ok(())
}

#[test]
fn cargo_xtask_runs_the_clone_in_the_folder_too() -> Result<()> {
    let fixture = Fixture::new()?;
    let folder = fixture.init()?;
    let clone = tempfile::tempdir()?;
    std::fs::create_dir(clone.path().join("kernel-config"))?;
    let workspace = Workspace::at(clone.path())?;
    folder.write_cargo_alias(&workspace);
    let path = folder.root.join(".cargo/config.toml");
    let config =
        || -> Result<toml::Table> { Ok(toml::from_str(&std::fs::read_to_string(&path)?)?) };
    let clone = workspace.root().display().to_string();
    assert_eq!(
        config()?["alias"]["xtask"]
            .as_array()
            .map(|words| words[2].clone()),
        Some(format!("{clone}/Cargo.toml").into())
    );
    assert_eq!(
        config()?["env"]["KMODLAB_WORKSPACE"].as_str(),
        Some(&*clone)
    );
    // Another clone takes its place, but a file of the student's stays.
    let other = tempfile::tempdir()?;
    std::fs::create_dir(other.path().join("kernel-config"))?;
    let other = Workspace::at(other.path())?;
    folder.write_cargo_alias(&other);
    assert_eq!(
        config()?["env"]["KMODLAB_WORKSPACE"].as_str(),
        other.root().to_str()
    );
    std::fs::write(&path, b"[alias]\n#\xff")?;
    folder.write_cargo_alias(&workspace);
    assert_eq!(std::fs::read(&path)?, b"[alias]\n#\xff");
    // So do a link that leads nowhere, and a file in place of the folder; nothing fails.
    std::fs::remove_file(&path)?;
    std::os::unix::fs::symlink("nowhere", &path)?;
    folder.write_cargo_alias(&workspace);
    assert!(path.is_symlink());
    std::fs::remove_dir_all(folder.root.join(".cargo"))?;
    std::fs::write(folder.root.join(".cargo"), "")?;
    folder.write_cargo_alias(&workspace);
    assert!(folder.root.join(".cargo").is_file());
    Ok(())
}
