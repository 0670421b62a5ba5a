//! The selection of lessons and races by name, and texts that cannot be tested.

use super::*;
use crate::failure::{Fault, fault_of};

fn clone() -> Result<(tempfile::TempDir, Workspace)> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("kernel-config"))?;
    for name in ["waitqueue", "kthread_run"] {
        let lesson = folder.path().join("modules/lessons").join(name);
        std::fs::create_dir_all(&lesson)?;
        std::fs::write(
            lesson.join("README.md"),
            format!("# About `{name}`\n\n```console\n$ true\n```\n"),
        )?;
    }
    let workspace = Workspace::at(folder.path())?;
    Ok((folder, workspace))
}

/// Adds a race with this text.
fn add_race(workspace: &Workspace, name: &str, text: &str) -> Result<()> {
    let folder = workspace.races().join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(std::fs::write(folder.join("README.md"), text)?)
}

#[test]
fn races_are_selected_only_by_name() -> Result<()> {
    let (_folder, workspace) = clone()?;
    assert!(all_races(&workspace)?.is_empty());
    let text = "# A race\n\n```console\n$ true\n```\n";
    add_race(&workspace, "wait_lost", text)?;
    let forbidden = "<!-- no rust: the borrow checker\nforbids it -->\n";
    add_race(&workspace, "use_late", &format!("{text}{forbidden}"))?;
    let names = |lessons: Vec<LessonText>| -> Vec<String> {
        let lessons = lessons.into_iter().flatten();
        lessons.map(|lesson| lesson.name).collect()
    };
    let wanted = |name: &str| vec![name.to_owned()];
    assert_eq!(
        names(select(&workspace, &[])?),
        ["kthread_run", "waitqueue"]
    );
    assert_eq!(
        names(select(&workspace, &wanted("use_late"))?),
        ["use_late"]
    );
    let both = names(select(&workspace, &wanted("wait*"))?);
    assert_eq!(both, ["waitqueue", "wait_lost"]);
    assert_eq!(
        names(select_races(&workspace, &wanted("wait*"))?),
        ["wait_lost"]
    );
    let races = select_races(&workspace, &[])?;
    let races: Vec<Lesson> = races.into_iter().flatten().collect();
    let race = &races[0];
    assert_eq!(
        race.readme,
        PathBuf::from("modules/races/use_late/README.md")
    );
    assert!(!race.is_in(Language::Rust) && races[1].is_in(Language::Rust));
    assert_eq!(
        race.lacks(Language::Rust),
        "no Rust module: the borrow checker forbids it"
    );
    assert_eq!(
        race.lacks(Language::C),
        "no C twin: modules/races/use_late/c/use_late.c does not exist"
    );
    let found: Vec<&str> = races.iter().map(|race| race.name.as_str()).collect();
    assert_eq!(found, ["use_late", "wait_lost"]);

    std::fs::create_dir(workspace.lessons().join("textless"))?;
    let error = select(&workspace, &wanted("textless")).expect_err("an error");
    assert_eq!(
        error.to_string(),
        "modules/lessons/textless/README.md does not exist; a lesson is tested by the console \
         blocks of its text (docs/writing-lessons.md)"
    );

    let error = select(&workspace, &wanted("use_lat")).expect_err("an error");
    assert_eq!(
        error.to_string(),
        "there is no lesson `use_lat`; did you mean `use_late`?\n\
         the lessons are: kthread_run, waitqueue\n\
         the races are: use_late, wait_lost"
    );
    let error = select_races(&workspace, &wanted("kthread_run")).expect_err("an error");
    assert_eq!(
        error.to_string(),
        "there is no race `kthread_run`\nthe races are: use_late, wait_lost"
    );
    Ok(())
}

#[test]
fn lessons_are_selected_by_name() -> Result<()> {
    let (_folder, workspace) = clone()?;
    let names = |wanted: &[&str]| -> Result<Vec<String>> {
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        let lessons = select(&workspace, &wanted)?;
        let lessons = lessons.into_iter().flatten();
        Ok(lessons.map(|lesson| lesson.name).collect())
    };
    assert_eq!(names(&[])?, ["kthread_run", "waitqueue"]);
    assert_eq!(names(&["waitqueue", "waitqueue"])?, ["waitqueue"]);
    assert_eq!(names(&["*"])?, ["kthread_run", "waitqueue"]);
    assert_eq!(names(&["w*e", "*a*"])?, ["waitqueue", "kthread_run"]);
    assert_eq!(names(&["kthread_*", "*_run"])?, ["kthread_run"]);
    let lesson = &all(&workspace)?[0];
    assert_eq!(lesson.title, "About kthread_run");
    assert_eq!(
        lesson.readme,
        PathBuf::from("modules/lessons/kthread_run/README.md")
    );
    Ok(())
}

#[test]
fn an_unknown_lesson_is_a_usage_error_with_a_suggestion() -> Result<()> {
    let (_folder, workspace) = clone()?;
    let error = select(&workspace, &["ktread_run".to_owned()]).expect_err("an error");
    assert_eq!(fault_of(&error), Fault::Usage);
    assert_eq!(
        error.to_string(),
        "there is no lesson `ktread_run`; did you mean `kthread_run`?\n\
         the lessons are: kthread_run, waitqueue"
    );
    let error = select(&workspace, &["zzz".to_owned()]).expect_err("an error");
    assert!(!error.to_string().contains("mean"), "{error}");
    let error = select(&workspace, &["wait*x".to_owned()]).expect_err("an error");
    assert_eq!(fault_of(&error), Fault::Usage);
    assert_eq!(
        error.to_string(),
        "no lesson matches `wait*x`\nthe lessons are: kthread_run, waitqueue"
    );
    Ok(())
}

#[test]
fn text_that_is_not_utf8_is_an_error_with_its_line() -> Result<()> {
    let (folder, workspace) = clone()?;
    let readme = folder.path().join("modules/lessons/waitqueue/README.md");
    std::fs::write(readme, b"# x\n\n\xff\n")?;
    let error = all(&workspace).expect_err("an error");
    assert!(error.to_string().contains("waitqueue/README.md:3: "));
    Ok(())
}

#[test]
fn a_text_that_cannot_be_tested_does_not_stop_the_others() -> Result<()> {
    let (folder, workspace) = clone()?;
    let lessons = folder.path().join("modules/lessons");
    for (name, text) in [
        ("a_open", &b"```console\n$ true\n"[..]),
        ("a_quote", b"```console\n$ true\n$ echo 'it is\n```\n"),
        ("b c", b"```console\n$ true\n```\n"),
        ("latin", b"# x\n\n\xff\n"),
        ("none", b"# x\n"),
        ("\u{1b}esc", b"# x\n"),
    ] {
        std::fs::create_dir(lessons.join(name))?;
        std::fs::write(lessons.join(name).join("README.md"), text)?;
    }
    std::fs::create_dir_all(lessons.join("none/c"))?;
    std::fs::write(lessons.join("none/c/none.c"), "")?;
    let texts = select(&workspace, &[])?;
    let (good, bad): (Vec<_>, Vec<_>) = texts.into_iter().partition(Result::is_ok);
    let good: Vec<String> = good.into_iter().flatten().map(|good| good.name).collect();
    assert_eq!(good, ["kthread_run", "waitqueue"]);
    let bad: Vec<BadText> = bad.into_iter().filter_map(Result::err).collect();
    let names: Vec<&str> = bad.iter().map(|bad| bad.name.as_str()).collect();
    assert_eq!(
        names,
        ["\\u{1b}esc", "a_open", "a_quote", "b c", "latin", "none"]
    );
    let begins = [
        "modules/lessons/\\u{1b}esc/README.md: the folder's name is that of a module",
        "modules/lessons/a_open/README.md:1: this console block is never closed",
        "modules/lessons/a_quote/README.md:3: this command has a syntax error (",
        "modules/lessons/b c/README.md: the folder's name is that of a module",
        "modules/lessons/latin/README.md:3: this line is not UTF-8",
        "modules/lessons/none/README.md:1: this text has no console block",
    ];
    for (bad, begin) in bad.iter().zip(begins) {
        let message = bad.error.to_string();
        assert!(message.starts_with(begin), "{message}");
    }
    assert!(bad[1].is_in(Language::Rust) && !bad[1].is_in(Language::C));
    assert!(!bad[5].is_in(Language::Rust) && bad[5].is_in(Language::C));
    let error = all(&workspace).expect_err("an error");
    assert_eq!(fault_of(&error), Fault::Lesson);
    Ok(())
}

#[test]
fn a_module_without_a_text_is_a_bad_text() -> Result<()> {
    let (folder, workspace) = clone()?;
    let lessons = folder.path().join("modules/lessons");
    let texts = [None, Some("readme.md"), Some("README.md/x")];
    for (name, text) in ["a_none", "b_case", "c_folder"].into_iter().zip(texts) {
        let lesson = lessons.join(name);
        std::fs::create_dir(&lesson)?;
        std::fs::write(lesson.join(format!("{name}.rs")), "")?;
        if let Some(text) = text.map(|text| lesson.join(text)) {
            std::fs::create_dir_all(text.parent().context("no folder")?)?;
            std::fs::write(text, "```console\n$ true\n```\n")?;
        }
    }
    let texts = select(&workspace, &[])?;
    let bad: Vec<String> = texts
        .iter()
        .filter_map(|text| Some(text.as_ref().err()?.error.to_string()))
        .collect();
    let begins = [
        "modules/lessons/a_none/README.md: this file does not exist; a lesson is tested by",
        "modules/lessons/b_case/README.md: this file does not exist; a lesson is tested by",
        "modules/lessons/c_folder/README.md: this is not a file",
    ];
    assert_eq!(bad.len(), begins.len(), "{bad:#?}");
    for (error, begin) in bad.iter().zip(begins) {
        assert!(error.starts_with(begin), "{error}");
    }
    Ok(())
}

#[test]
fn a_text_without_end_or_of_many_megabytes_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("README.md");
    let longest = usize::try_from(MAX_TEXT)?;
    std::fs::write(&path, vec![b'x'; longest])?;
    assert_eq!(read_bytes(&path).map(|bytes| bytes.len()), Ok(longest));
    std::fs::write(&path, vec![b'x'; longest + 1])?;
    let problem = read_bytes(&path).expect_err("it is too long");
    assert!(problem.contains("longer than 4 MiB"), "{problem}");
    let problem = read_bytes(Path::new("/dev/zero")).expect_err("it is a device");
    assert_eq!(problem, "this is not a file");
    Ok(())
}
