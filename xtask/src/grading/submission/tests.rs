use std::os::unix::fs::symlink;

use anyhow::ensure;

use super::*;

fn expected() -> Vec<(Language, String)> {
    vec![
        (Language::Rust, "a.rs".to_owned()),
        (Language::C, "a.c".to_owned()),
    ]
}

/// Makes a submission with `write`, and returns the reason for which it is refused.
fn refusal(write: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<Option<String>> {
    let folder = tempfile::tempdir()?;
    write(folder.path())?;
    let read = Submission::read(folder.path(), &expected(), &SubmissionLimits::default())?;
    Ok(read.err().map(|refusal| refusal.message))
}

#[test]
fn one_source_is_a_submission() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("a.c"), "int x;\n")?;
    std::fs::create_dir(folder.path().join(".git"))?;
    // Earlier answers, as `reset` keeps them.
    std::fs::write(folder.path().join("a.c.1"), "int y;\n")?;
    std::fs::write(folder.path().join("a.c.12"), "int z;\n")?;
    let read = Submission::read(folder.path(), &expected(), &SubmissionLimits::default())?;
    let submission = Submission {
        language: Language::C,
        file: "a.c".to_owned(),
        text: "int x;\n".to_owned(),
    };
    assert_eq!(read, Ok(submission));
    Ok(())
}

#[test]
fn files_that_systems_and_editors_leave_are_not_read() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("a.c"), "int x;\n")?;
    for name in [
        ".DS_Store",
        "._a.c",
        "a.c~",
        "a.c.bak",
        ".a.c.swp",
        "#a.c#",
        "Thumbs.db",
    ] {
        std::fs::write(path(name), "#error\n")?;
    }
    std::fs::create_dir_all(path("__MACOSX/a"))?;
    std::fs::create_dir(path(".vscode"))?;
    // Emacs locks a file with a symbolic link that leads nowhere.
    symlink("ann@host.1234", path(".#a.c"))?;
    // A course's own list of ignored files does not change this.
    let limits = SubmissionLimits {
        ignore: Vec::new(),
        ..SubmissionLimits::default()
    };
    for limits in [SubmissionLimits::default(), limits] {
        let read = Submission::read(folder.path(), &expected(), &limits)?;
        let text = read.map(|submission| submission.text);
        assert_eq!(text, Ok("int x;\n".to_owned()));
    }
    for other in ["a.c.orig.c", "b.c", ".hidden", "Makefile"] {
        let problem = refusal(|folder| {
            std::fs::write(folder.join("a.c"), "")?;
            std::fs::write(folder.join(other), "")
        })?;
        let problem = problem.unwrap_or_default();
        assert!(problem.contains("does not belong"), "{other}: {problem}");
    }
    Ok(())
}

/// Without a bound, a folder of such files would be listed to its end.
#[test]
fn files_that_editors_leave_count() -> Result<()> {
    let many = refusal(|folder| {
        (0..100).try_for_each(|index| File::create(folder.join(format!("{index}~"))).map(drop))
    })?;
    assert_eq!(
        many.as_deref(),
        Some("the submission has more than 16 files")
    );
    Ok(())
}

#[test]
fn other_contents_are_refused_with_the_reason() -> Result<()> {
    let source = |folder: &Path| std::fs::write(folder.join("a.rs"), "");
    let empty = refusal(|_| Ok(()))?;
    assert_eq!(
        empty.as_deref(),
        Some("the submission has no file a.rs or a.c")
    );
    let both = refusal(|folder| {
        source(folder)?;
        std::fs::write(folder.join("a.c"), "")
    })?;
    assert_eq!(
        both.as_deref(),
        Some("the submission may have only one file: a.rs or a.c")
    );
    let build = refusal(|folder| {
        source(folder)?;
        std::fs::write(folder.join("build.rs"), "")
    })?;
    assert_eq!(
        build.as_deref(),
        Some("`build.rs` does not belong to the exercise; submit only the source")
    );
    let link = refusal(|folder| symlink("/etc/passwd", folder.join("a.rs")))?;
    assert_eq!(link.as_deref(), Some("a.rs is a symbolic link"));
    let other_link = refusal(|folder| {
        source(folder)?;
        symlink("/etc", folder.join("etc"))
    })?;
    ensure!(other_link.is_some());
    let earlier_link = refusal(|folder| {
        source(folder)?;
        symlink("/etc/passwd", folder.join("a.rs.1"))
    })?;
    ensure!(earlier_link.is_some());
    let folder = refusal(|folder| std::fs::create_dir(folder.join("a.rs")))?;
    assert_eq!(folder.as_deref(), Some("a.rs is a folder"));
    let binary = refusal(|folder| std::fs::write(folder.join("a.rs"), [0xff]))?;
    assert_eq!(binary.as_deref(), Some("a.rs is not text in UTF-8"));
    Ok(())
}

#[test]
fn a_device_or_a_pipe_is_refused_and_not_read() -> Result<()> {
    let fifo = refusal(|folder| {
        let path = folder.join("a.rs");
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).map_err(Into::into)
    })?;
    assert_eq!(fifo.as_deref(), Some("a.rs is not an ordinary file"));
    Ok(())
}

/// Both are refused from the folder's entries alone: reading them would take seconds.
#[test]
fn many_files_and_a_large_file_are_refused_unread() -> Result<()> {
    let many = refusal(|folder| {
        (0..10_000).try_for_each(|index| File::create(folder.join(format!("{index}"))).map(drop))
    })?;
    assert_eq!(
        many.as_deref(),
        Some("the submission has more than 16 files")
    );
    let large = refusal(|folder| File::create(folder.join("a.rs"))?.set_len(1 << 30))?;
    assert_eq!(
        large.as_deref(),
        Some("the submission is larger than 64.0 KiB")
    );
    Ok(())
}

#[test]
fn the_files_that_are_not_read_are_documented() {
    let docs = include_str!("../../../../docs/grading.md");
    for pattern in STRAY {
        assert!(docs.contains(&format!("`{pattern}`")), "{pattern}");
    }
}
