//! The files that a student gets, and those that a course keeps.

use super::*;
use crate::exercise::answer::AnswerFolder;
use crate::grading::rules::SubmissionRules;
use crate::project::MANIFEST;
use crate::workspace::Workspace;

#[test]
fn a_student_gets_the_values_of_the_marks() -> Result<()> {
    let home = tempfile::tempdir()?;
    let course = home.path().join("course.toml");
    std::fs::write(home.path().join("course.key"), "0123456789abcdef\n")?;
    std::fs::write(
        &course,
        "title = \"T\"\nkey = \"course.key\"\n[kernel]\nname = \"6.12\"\n\
         [[exercise]]\nid = \"io_wait_event/2-every-fifth\"\n",
    )?;
    let course = CourseFile::read(&course)?;
    let all = Catalogue::of_clone(&Workspace::find()?)?;
    let exercise = all.find("every-fifth")?;
    let key = course.read_key()?;
    let (mut students, mut seen) = (0.., Vec::new());
    // Two students with different values.
    while seen.len() < 2 {
        let student = format!("student{}", students.next().unwrap_or(0));
        let values = StudentVariants::choose(key.as_ref(), exercise, &student).shown;
        if seen.contains(&values) {
            continue;
        }
        let folder = home.path().join(&student);
        hand_out_course(&course, &all, &student, Language::C, &folder)?;
        let own = StudentFolder::open(&folder)?;
        assert_eq!(own.variant_of(exercise), values);
        assert_eq!(own.kernel.name.as_deref(), Some("6.12"));
        assert_eq!(
            own.select(Catalogue::of_clone(&Workspace::find()?)?)?
                .exercises
                .len(),
            1
        );
        let again = hand_out_course(&course, &all, &student, Language::C, &folder);
        assert!(again.is_err());
        let other = hand_out_course(&course, &all, "another", Language::C, &folder);
        let message = other.err().context("a refusal")?.to_string();
        assert!(
            message.contains(&format!("was handed out to {student};")),
            "{message}"
        );

        // The files of the exercise alone are the same.
        let alone = home.path().join(format!("{student}-alone"));
        hand_out(key.as_ref(), exercise, &student, &alone)?;
        for file in [TASK, "every_fifth.c"] {
            let of_folder = std::fs::read(own.folder_of(exercise).join(file))?;
            assert_eq!(std::fs::read(alone.join(file))?, of_folder, "{file}");
        }
        hand_out(key.as_ref(), exercise, &student, &alone)?;
        let answer = alone.join("every_fifth.c");
        std::fs::write(&answer, "an answer")?;
        let refused = hand_out(key.as_ref(), exercise, &student, &alone);
        assert!(refused.is_err() && std::fs::read(&answer)? == b"an answer");
        let table = std::fs::read_to_string(alone.join(VALUES))?;
        let manifest = std::fs::read_to_string(folder.join(MANIFEST))?;
        assert!(manifest.ends_with(&table), "{manifest}");
        seen.push(values);
    }
    Ok(())
}

const TASK_TEXT: &str = "\
# Every {{step}}

```toml exercise
minutes = 5
vary.step = { default = \"5\", values = [\"11\", \"13\"] }
forbids.rust = [\"unsafe\"]
```

## Loads (5 points)

```toml part
todo = 1
schedules = 3
```

```console
$ echo {{step}}
```

## Secret (1 point)

```toml part
hidden = true
```

```console
$ echo hidden
```

## Hints

1. It is {{step}}.
";

const SOLUTION: &str =
    "// TODO 1: count to {{step}}\n//@ 1 {\nsolved(5); //@ vary step\n//@ 1 } instead: todo\n";

/// Returns the text of all files in a folder.
fn all_texts(folder: &Path) -> Result<String> {
    let mut text = String::new();
    for path in crate::key::files_in(folder)? {
        text += &std::fs::read_to_string(path)?;
    }
    Ok(text)
}

#[test]
fn a_course_with_exercises_of_its_own_keeps_solutions_and_hidden_parts() -> Result<()> {
    let home = tempfile::tempdir()?;
    let path = |name: &str| home.path().join(name);
    for (name, text) in [
        ("course/count/2-more/task.md", TASK_TEXT),
        ("course/count/2-more/more.rs", SOLUTION),
        ("course/count/1-steps/task.md", TASK_TEXT),
        ("course/count/1-steps/steps.rs", SOLUTION),
        ("course/count/1-steps/c/steps.c", SOLUTION),
        ("course/course.key", "0123456789abcdef\n"),
        (
            "course/course.toml",
            "title = \"T\"\nkey = \"course.key\"\n[kernel]\nname = \"7.3\"\n\
             [[exercise]]\nid = \"count/2-more\"\n[[exercise]]\nid = \"count/1-steps\"\n",
        ),
    ] {
        whole_file::write_below(&path(name), text)?;
    }
    let course = CourseFile::read(&path("course/course.toml"))?;
    let all = Catalogue::of_folder(&path("course"))?;
    let of_course = all.find("steps")?;
    let key = course.read_key()?;
    let shown = StudentVariants::choose(key.as_ref(), of_course, "ann").shown;

    hand_out_own(&course, &all, "ann", Language::C, &path("ann"))?;
    let folder = StudentFolder::open(&path("ann"))?;
    assert_eq!(folder.kernel.name.as_deref(), Some("7.3"));
    assert!(folder.check_solutions().is_err());
    // The workspace is not looked at.
    let nowhere = tempfile::tempdir()?;
    std::fs::create_dir_all(nowhere.path().join("kernel-config"))?;
    let catalogue = folder.catalogue(&Workspace::at(nowhere.path())?)?;
    let ids = catalogue.exercises.iter().map(|one| &*one.id);
    assert_eq!(ids.collect::<Vec<_>>(), ["count/2-more", "count/1-steps"]);
    let own = catalogue.find("steps")?;
    let text = of_course.task.student_text(&shown, false).markdown;
    assert_eq!(
        own.task
            .student_text(&folder.variant_of(own), false)
            .markdown,
        text
    );
    assert_eq!(own.task.parts.len(), 1);
    assert_eq!(own.task.parts[0].settings.schedules, Some(3));
    assert_eq!(own.task.forbids.of(Language::Rust), ["unsafe"]);
    let step = &shown.0["step"];
    assert_eq!(own.task.hints.written, [format!("It is {step}.")]);
    let answer = std::fs::read_to_string(folder.answer_of(own))?;
    assert_eq!(answer, format!("// TODO 1: count to {step}\ntodo\n"));

    let texts = all_texts(&path("ann"))?;
    for secret in ["solved", "hidden", "Secret", "vary", "0123456789abcdef"] {
        assert!(!texts.contains(secret), "{secret} is in {texts}");
    }
    // Again, with an answer and another text.
    whole_file::write_below(&folder.answer_of(own), "an answer")?;
    let text = TASK_TEXT.replace("It is", "It must be");
    whole_file::write_below(&path("course/count/1-steps/task.md"), &text)?;
    let all = Catalogue::of_folder(&path("course"))?;
    hand_out_own(&course, &all, "ann", Language::C, &path("ann"))?;
    assert_eq!(std::fs::read_to_string(folder.answer_of(own))?, "an answer");
    assert!(all_texts(&path("ann"))?.contains("It must be"));
    // Neither another student nor another language changes anything in it.
    let before = all_texts(&path("ann"))?;
    let refused = |student: &str, language| {
        let refused = hand_out_own(&course, &all, student, language, &path("ann"));
        refused.err().map(|error| error.to_string())
    };
    let message = refused("bob", Language::C).unwrap_or_default();
    assert!(
        message.ends_with("was handed out to ann; give a folder of its own to bob"),
        "{message}"
    );
    let message = refused("ann", Language::Rust).unwrap_or_default();
    assert!(message.contains("in C; write `--lang c`"), "{message}");
    assert_eq!(all_texts(&path("ann"))?, before);
    // Earlier versions did not name the student.
    let manifest = path("ann/kmodlab.toml");
    let text = whole_file::read_text(&manifest)?;
    let unnamed = text.replace("student = \"ann\"\n", "");
    assert_ne!(unnamed, text);
    whole_file::write(&manifest, unnamed)?;
    let message = refused("ann", Language::C).unwrap_or_default();
    assert!(
        message.contains("add `student = \"ann\"` to [learn]"),
        "{message}"
    );
    // A folder of kmodlab's own exercises is another one.
    let other = StudentManifest::new(Language::C, None).text()?;
    whole_file::write_below(&path("bob/kmodlab.toml"), &other)?;
    let refused = hand_out_own(&course, &all, "bob", Language::C, &path("bob"));
    assert!(refused.is_err() && all_texts(&path("bob"))? == other);
    Ok(())
}

#[test]
fn a_students_folder_has_the_rules_of_the_course() -> Result<()> {
    let home = tempfile::tempdir()?;
    let file = home.path().join("course.toml");
    std::fs::write(
        &file,
        "title = \"T\"\n[forbids]\nrust = [\"unsafe\"]\n[allows]\nc = [\"filp_*\"]\n\
         [[exercise]]\nid = \"io_wait_event/2-every-fifth\"\n",
    )?;
    let course = CourseFile::read(&file)?;
    let all = Catalogue::of_clone(&Workspace::find()?)?;
    let exercise = all.find("every-fifth")?;
    let root = home.path().join("ann");
    hand_out_course(&course, &all, "ann", Language::C, &root)?;
    let folder = StudentFolder::open(&root)?;
    let rules = SubmissionRules::of_folder(&folder)?;
    assert_eq!(rules.as_ref(), Some(&course.rules));

    // A folder without a course has no rules.
    let own = StudentFolder::init(&home.path().join("own"), Language::C, &all)?;
    assert_eq!(SubmissionRules::of_folder(&own)?, None);

    let refusal = |source: &str, imports: &[&str]| -> Result<String> {
        std::fs::write(folder.answer_of(exercise), source)?;
        let answers = AnswerFolder::new()?;
        let answer = folder.answer(&answers, exercise)?;
        let imports: Vec<String> = imports.iter().map(|&name| name.to_owned()).collect();
        let refusal = rules
            .as_ref()
            .and_then(|rules| rules.refusal(&answer, &imports));
        Ok(refusal.unwrap_or_default())
    };
    assert_eq!(refusal("int a;", &["_printk", "filp_open"])?, "");
    let word = refusal("int a;\nvoid b(void) { asm(\"\"); }", &["panic"])?;
    assert!(word.ends_with("every_fifth.c:2: `asm` is not allowed in a submission"));
    let symbol = refusal("int a;", &["panic"])?;
    assert!(
        symbol.ends_with(
            "every_fifth.c: the module uses `panic`, which is not allowed in a submission"
        )
    );
    Ok(())
}
