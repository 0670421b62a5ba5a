use super::*;
use crate::modules::Language;

const TASK_TEXT: &str = "# T\n\n## Loads (5 points)\n\n```toml part\ntodo = 1\n```\n";

const SOLUTION: &str = "// TODO 1: x\n//@ 1 {\nx\n//@ 1 }\n";

fn write(root: &Path, files: &[(&str, &str)]) -> Result<()> {
    for (name, text) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

fn ids(catalogue: &Catalogue) -> Vec<&str> {
    catalogue
        .exercises
        .iter()
        .map(|exercise| &*exercise.id)
        .collect()
}

#[test]
fn exercises_are_in_the_order_of_the_course() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    let order = "[[exercise]]\nid = \"two/1-b\"\npoints = 3\n[[exercise]]\nid = \"none/1-x\"\n";
    write(
        root,
        &[
            ("one/exercises/1-a/task.md", TASK_TEXT),
            ("one/exercises/1-a/a.rs", SOLUTION),
            ("one/exercises/1-a/c/a.c", SOLUTION),
            ("two/exercises/1-b/task.md", TASK_TEXT),
            ("two/exercises/1-b/c/b.c", SOLUTION),
            ("two/exercises/2-c/task.md", "# C\n"),
            ("course.toml", order),
        ],
    )?;
    let catalogue = Catalogue::of_folder(root)?;
    assert_eq!(ids(&catalogue), ["two/1-b", "one/1-a"]);
    assert_eq!(catalogue.broken.len(), 1);
    assert!(
        catalogue.broken[0]
            .problem
            .contains("2-c/task.md:1: this text has no part")
    );
    let problems = catalogue.problems.join("\n");
    for problem in [
        "no exercise none/1-x",
        "one/1-a is not listed",
        "two/2-c is not",
    ] {
        assert!(problems.contains(problem), "{problems}");
    }
    let found = catalogue.find("b")?;
    assert!(found.solution(Language::Rust).is_none());
    assert_eq!(catalogue.find("1-a")?.lesson(), "one");
    let error = catalogue.find("1-aa").expect_err("no such exercise");
    assert!(error.to_string().contains("did you mean `1-a`?"), "{error}");
    assert!(catalogue.find("2-c").is_err());
    Ok(())
}

#[test]
fn mistakes_in_the_files_of_an_exercise_are_reported() -> Result<()> {
    let patch = "verdict: hang\npart: Lods\n--- a\n+++ b\n@@ -1 +1 @@\n-a\n+b\n";
    let unfit = "verdict: hang\n--- a\n+++ b\n@@ -1 +1 @@\n-a\n+b\n";
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[], "there is no solution"),
        (&[("a.rs", SOLUTION), ("b.rs", SOLUTION)], "one solution"),
        (
            &[("a.rs", SOLUTION), ("c/b.c", SOLUTION)],
            "different names: a, b",
        ),
        (&[("a.rs", "x\n")], "a `todo` that this file does not have"),
        (
            &[("a.rs", SOLUTION), ("wrong/x.rs.patch", patch)],
            "wrong/x.rs.patch: task.md has no part `Lods`",
        ),
        (
            &[("a.rs", SOLUTION), ("wrong/x.rs.patch", unfit)],
            "wrong/x.rs.patch: the diff does not fit",
        ),
    ];
    for (files, expected) in cases {
        let folder = tempfile::tempdir()?;
        write(folder.path(), &[("task.md", TASK_TEXT)])?;
        write(folder.path(), files)?;
        let broken = Catalogue::of_folder(folder.path())?.broken;
        let problem = broken.first().map(|broken| &*broken.problem);
        let problem = problem.context(expected)?;
        assert!(problem.contains(expected), "{problem}");
    }
    Ok(())
}

#[test]
fn slugs_are_found_without_their_number() {
    for name in ["l/2-a-b", "2-a-b", "a-b"] {
        assert!(is_named("l/2-a-b", name), "{name}");
    }
    for name in ["l", "b", "2", "a"] {
        assert!(!is_named("l/2-a-b", name), "{name}");
    }
}
