//! The clone that a command uses is found at run time.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

/// Makes a minimal clone with one lesson, `name`.
fn clone(name: &str) -> Result<tempfile::TempDir> {
    let clone = tempfile::tempdir()?;
    let lesson = clone.path().join("modules/lessons").join(name);
    std::fs::create_dir_all(lesson.join("c"))?;
    std::fs::create_dir(clone.path().join("kernel-config"))?;
    std::fs::write(clone.path().join("kernel-config/kernels.toml"), "")?;
    std::fs::write(clone.path().join("modules/Kbuild"), "")?;
    std::fs::write(
        lesson.join("README.md"),
        "# A lesson\n\n```console\n$ true\n```\n",
    )?;
    Ok(clone)
}

/// Runs `xtask test --list` in `folder`; returns the exit status and both outputs.
fn list(folder: &Path, workspace: Option<&Path>) -> Result<(Option<i32>, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(["test", "--list"])
        .current_dir(folder)
        .env_remove("KMODLAB_WORKSPACE");
    if let Some(workspace) = workspace {
        command.env("KMODLAB_WORKSPACE", workspace);
    }
    let output = command.output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

fn ensure_lists(listed: (Option<i32>, String), name: &str) -> Result<()> {
    ensure!(
        listed.0 == Some(0) && listed.1.contains(name),
        "no {name} in {listed:?}"
    );
    Ok(())
}

#[test]
fn the_clone_around_the_current_folder_is_used() -> Result<()> {
    let (one, other) = (clone("first")?, clone("second")?);
    ensure_lists(list(one.path(), None)?, "first")?;
    ensure_lists(list(other.path(), None)?, "second")?;
    let below = other.path().join("modules/lessons/second/c");
    ensure_lists(list(&below, None)?, "second")
}

#[test]
fn the_variable_names_a_clone_from_anywhere() -> Result<()> {
    let (one, other) = (clone("first")?, clone("second")?);
    let elsewhere = tempfile::tempdir()?;
    ensure_lists(list(elsewhere.path(), Some(one.path()))?, "first")?;
    ensure_lists(list(other.path(), Some(one.path()))?, "first")
}

#[test]
fn a_folder_outside_of_a_clone_is_an_error_that_helps() -> Result<()> {
    let elsewhere = tempfile::tempdir()?;
    let (status, text) = list(elsewhere.path(), None)?;
    ensure!(status == Some(69), "{status:?}");
    for part in [
        "is not in a clone of kmodlab",
        "kernel-config/kernels.toml",
        "KMODLAB_WORKSPACE",
    ] {
        ensure!(text.contains(part), "no {part:?} in: {text}");
    }
    let (status, text) = list(elsewhere.path(), Some(Path::new("/nonexistent")))?;
    ensure!(status == Some(69), "{status:?}");
    let expected = "KMODLAB_WORKSPACE: /nonexistent is not a clone of kmodlab";
    ensure!(text.contains(expected), "{text}");
    Ok(())
}

#[test]
fn a_name_that_make_or_a_shell_would_interpret_is_refused() -> Result<()> {
    let long = "a".repeat(56);
    for name in [
        "$(shell id>pwned)",
        "`id`",
        "a b",
        "a;b",
        "a%b",
        "a#b",
        "a:b",
        "ä",
        &long,
    ] {
        let clone = clone(name)?;
        let (status, text) = list(clone.path(), None)?;
        // Listed, with the reason for which it is not run.
        ensure!(status == Some(0), "{name}: {status:?} {text}");
        let folder = format!("modules/lessons/{name}");
        let rule = "1 to 55 of the letters A-Z, a-z, 0-9, _ and -";
        for part in [&*folder, "(bad text: ", rule] {
            ensure!(text.contains(part), "no {part:?} in: {text}");
        }
    }
    let clone = clone(&"a".repeat(55))?;
    ensure_lists(list(clone.path(), None)?, &"a".repeat(55))
}
