//! The texts of a project: which files are texts, and which of them run.

use anyhow::{Result, ensure};

use super::module;
use crate::lab::TestProject;

/// The README of a repository shows a shell's commands, and the folder may have the module's name.
#[test]
fn a_readme_beside_a_kbuild_is_for_readers() -> Result<()> {
    let source = module("return 0;");
    let readme = "# own\n\n```sh\n$ make\n```\n";
    let files = [
        ("Kbuild", "obj-m := own.o\n"),
        ("c/own.c", &*source),
        ("own.c", &source),
        ("README.md", readme),
    ];
    let project = TestProject::new(&files)?;
    let output = project.xtask(&["test", "./own"])?;
    output.expect(0, &["own (c)  ok", "$ insmod own.ko"])?;
    let note = "./own/README.md is not run, because its folder is not laid out as a lesson";
    ensure!(!output.printed().contains(note), "{}", output.printed());

    // Unlike a shell's commands, these are in the form of a text.
    let text = "# own\n\n```console\n$ insmod own.ko\n```\n";
    std::fs::write(project.path.join("README.md"), text)?;
    let output = project.xtask(&["test", "./own"])?;
    ensure!(output.printed().contains(note), "{}", output.printed());
    output.expect(0, &["own (c)  ok"])
}

#[test]
fn one_text_of_several_can_be_named() -> Result<()> {
    let source = module("return 0;");
    let text = |command: &str| format!("# own\n\n```console\n$ {command}\n```\n");
    let files = [
        ("own.c", &*source),
        ("kmodlab.toml", "[test]\ntexts = [\"tests/*.md\"]\n"),
        ("README.md", "# own\n"),
        ("tests/loads.md", &text("insmod own.ko && rmmod own")),
        (
            "tests/fails.md",
            &text("insmod own.ko && rmmod own && false"),
        ),
        ("tests/passes.md", &text("insmod own.ko; rmmod own")),
    ];
    let project = TestProject::new(&files)?;
    let output = project.xtask(&["test", "./own/tests/loads.md"])?;
    output.expect(0, &["own.tests.loads (c)  ok", "1 passed, 0 failed"])?;
    let texts = ["./own/tests/loads.md", "./own/tests/passes.md"];
    let output = project.xtask(&[&["test"], &texts[..]].concat())?;
    output.expect(0, &["own.tests.passes (c)  ok", "2 passed, 0 failed"])?;
    // A folder has all of its texts.
    let output = project.xtask(&["test", "./own/tests/loads.md", "./own", "--schedules", "1"])?;
    let repeat = "test ./own/tests/fails.md --lang c --seed ";
    output.expect(1, &["own.tests.fails (c): ", "2 passed, 1 failed", repeat])?;
    let output = project.xtask(&["test", "./own/README.md"])?;
    output.expect(2, &["./own/README.md is a file; give the folder"])
}

#[test]
fn a_bad_text_is_one_of_the_modules_language() -> Result<()> {
    let source = module("return 0;");
    let files = [
        ("own.c", &*source),
        ("kmodlab.toml", "[test]\ntexts = [\"README.md\"]\n"),
        ("README.md", "# own\n\n```console\ninsmod own.ko\n```\n"),
    ];
    let project = TestProject::new(&files)?;
    let output = project.xtask(&["test", "./own"])?;
    output.expect(
        1,
        &["own (c)  FAILED  bad-text", "0 passed, 1 failed, 0 skipped"],
    )?;
    let output = project.xtask(&["test", "./own", "--lang", "rust"])?;
    output.expect(2, &["own has no source in Rust in ./own"])
}
