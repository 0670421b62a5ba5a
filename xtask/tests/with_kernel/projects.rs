//! Modules from anywhere: folders with layouts of their own (`xtask/tests/projects`), and folders
//! that are wrong.

mod failures;
mod texts;
mod wrong;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::lab::{TestProject, original, run, xtask};

/// A module in C whose init is `body`.
fn module(body: &str) -> String {
    format!(
        "#include <linux/module.h>\n\
         static int __init own_init(void)\n{{\n\t{body}\n}}\nmodule_init(own_init);\n\
         static void __exit own_exit(void)\n{{\n}}\nmodule_exit(own_exit);\n\
         MODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"A test\");\n"
    )
}

#[test]
fn a_kbuild_with_two_files_is_taken_as_it_is() -> Result<()> {
    let project = TestProject::of("two_files")?;
    let output = project.xtask(&["test", "./two_files"])?;
    let parts = [
        "two_files (c)  ok",
        "$ insmod startstop.ko",
        "] hello from two files\n",
        "$ sleep 1\n",
        "$ rmmod startstop",
        "] bye\n",
        "1 passed, 0 failed",
    ];
    output.expect(0, &parts)
}

#[test]
fn a_kbuild_without_kernel_ext_is_told_how_to_use_it() -> Result<()> {
    let source = "use kernel::prelude::*;\nuse kernel_ext::kthread::KThread;\n";
    let files = [("Kbuild", "obj-m := own.o\n"), ("own.rs", source)];
    let output = TestProject::new(&files)?.xtask(&["test", "./own"])?;
    let note = "note: the Kbuild does not use $(KERNEL_EXT) and $(KERNEL_EXT_FLAGS)";
    output.expect(1, &["does-not-compile", note])
}

#[test]
fn modules_are_loaded_in_the_order_of_their_symbols() -> Result<()> {
    let project = TestProject::of("depends")?;
    let output = project.xtask(&["test", "./depends"])?;
    output.expect(0, &["depends (c)  ok", "the other module returns 42"])?;
    let line = |text: &str| output.stdout.lines().position(|line| line.ends_with(text));
    ensure!(line("$ insmod a_provider.ko") < line("$ insmod first.ko"));
    ensure!(line("$ rmmod first") < line("$ rmmod a_provider"));

    let command = "modprobe first && modinfo first && modprobe -r first; lsmod | wc -l";
    let output = project.xtask(&["test", "./depends", "--run", command])?;
    output.expect(
        0,
        &[
            "depends (c)  ok",
            "A user of another module's function",
            "\n    1\n",
        ],
    )?;

    let output = project.xtask(&["test", "./depends", "--run", "modprobe first"])?;
    output.expect(1, &["left-over", "the module a_provider is still loaded"])
}

#[test]
fn a_module_in_rust_needs_no_kernel_ext() -> Result<()> {
    let project = TestProject::of("plain_rust")?;
    // A name with a dash, and no Kbuild.
    let source = std::fs::read_to_string(project.path.join("plain_rust.rs"))?;
    let dashed = TestProject::new(&[("plain-rust.rs", &source)])?;
    let output = dashed.xtask(&["test", "./own"])?;
    output.expect(0, &["own (rust)  ok", "$ insmod plain-rust.ko"])?;

    let output = project.xtask(&["test", "./plain_rust"])?;
    output.expect(
        0,
        &[
            "plain_rust (rust)  ok",
            "plain_rust: loaded",
            "plain_rust: unloaded",
        ],
    )
}

#[test]
fn documented_layouts_pass() -> Result<()> {
    let source = module("pr_info(\"loaded\\n\"); return 0;");
    let folders = [
        ("Kbuild", "obj-m += inner/\n"),
        ("inner/Kbuild", "obj-m := deep.o\n"),
    ];
    let deep = TestProject::new(&[folders[0], folders[1], ("inner/deep.c", &source)])?;
    let output = deep.xtask(&["test", "./own"])?;
    output.expect(0, &["own (c)  ok", "$ insmod deep.ko"])?;

    let mixed = TestProject::of("mixed")?;
    let crate_root = std::fs::read_to_string(mixed.path.join("src/mixed.rs"))?;
    let kbuild = "obj-m := mixed.o\nmixed-y := $(KERNEL_EXT) main.o hardware.o\n\
                  RUSTFLAGS_main.o := $(KERNEL_EXT_FLAGS)\n";
    let hardware = "int hardware_value(void);\nint hardware_value(void) { return 23; }\n";
    let own = [
        ("Kbuild", kbuild),
        ("main.rs", &crate_root),
        ("hardware.c", hardware),
    ];
    let output = TestProject::new(&own)?.xtask(&["test", "./own"])?;
    output.expect(0, &["own (rust)  ok", "the C function returned 23"])?;

    let manifest = "[test]\nload = [\"b\", \"a\"]\n";
    let ordered = [
        ("a.c", &*source),
        ("b.c", &source),
        ("kmodlab.toml", manifest),
    ];
    let output = TestProject::new(&ordered)?.xtask(&["test", "./own"])?;
    output.expect(0, &["own (c)  ok"])?;
    let line = |text: &str| output.stdout.lines().position(|line| line.ends_with(text));
    ensure!(line("$ insmod b.ko") < line("$ insmod a.ko"));

    let assembler = "#include <linux/linkage.h>\nSYM_FUNC_START(add_one)\n\
                     \tleal 1(%rdi), %eax\n\tRET\nSYM_FUNC_END(add_one)\n";
    let uses = module("int add_one(int); pr_info(\"sum %d\\n\", add_one(41)); return 0;");
    let manifest = "[module.own]\nsources = [\"main.c\", \"add.S\"]\n";
    let files = [
        ("kmodlab.toml", manifest),
        ("main.c", &uses),
        ("add.S", assembler),
    ];
    let output = TestProject::new(&files)?.xtask(&["test", "./own"])?;
    output.expect(0, &["own (c)  ok", "sum 42"])
}

#[test]
fn a_manifest_combines_languages_programs_files_and_texts() -> Result<()> {
    let project = TestProject::named("mixed", "mixed module: ü")?;
    let name = "mixed_module___";
    let path = "./mixed module: ü";
    project
        .xtask(&["test", path])?
        .expect(0, &[name, "(rust)  ok", "1 passed, 0 failed"])?;
    // The expected status is 7.
    project.write("tests/ask.c", "int main(void) { return 8; }\n")?;
    let output = project.xtask(&["test", path])?;
    let parts = [
        "./mixed module: ü/tests/mixed.md:5: ",
        "exit status: 8 instead of 7",
        "cargo xtask qemu './mixed module: ü'",
    ];
    output.expect(1, &parts)
}

/// As with `cargo test`, the folder in which one stands is meant; a clone has its lessons.
#[test]
fn the_current_folder_is_the_default_outside_of_a_clone() -> Result<()> {
    let project = TestProject::of("two_files")?;
    let mut command = project.command(&["test"]);
    command.current_dir(&project.path);
    run(&mut command)?.expect(0, &["two_files", "1 passed, 0 failed"])?;

    let program = "int main(int argc, char **argv)\n{\n\treturn argc;\n}\n";
    std::fs::write(project.folder.path().join("t.c"), program)?;
    let with = ["--run", "./t 3", "--with", "./t.c"];
    let failed = project.xtask(&[&["test", "./two_files"], &with[..]].concat())?;
    let again = "qemu --lang c ./two_files --with ./t.c:/root/t, then type:\n  ./t 3";
    failed.expect(1, &["ended with status 2", again])
}

#[test]
fn a_lesson_is_a_project_too() -> Result<()> {
    let lesson = original().join("modules/lessons/kthread_run");
    let lesson = lesson.canonicalize()?.display().to_string();
    let output = run(xtask(original(), &["test", &lesson]).current_dir("/"))?;
    output.expect(0, &["kthread_run (rust)  ok", "kthread_run (c)     ok"])
}

#[test]
fn a_new_module_passes_and_is_formatted() -> Result<()> {
    for language in ["rust", "c", "both"] {
        let folder = tempfile::tempdir()?;
        let xtask = |args: &[&str]| run(xtask(original(), args).current_dir(folder.path()));
        let new = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["new", "my_driver", "--lang", language])
            .current_dir(folder.path())
            .output()?;
        let printed = String::from_utf8_lossy(&new.stdout);
        ensure!(
            printed.ends_with("next: cargo xtask test ./my_driver\n"),
            "{printed}"
        );
        let passed = if language == "both" {
            "2 passed"
        } else {
            "1 passed"
        };
        xtask(&["test", "./my_driver"])?.expect(0, &[passed, "0 failed"])?;
        for file in ["my_driver.rs", "src/my_driver.rs"] {
            let path = folder.path().join("my_driver").join(file);
            if path.is_file() {
                let formatted = Command::new("rustfmt")
                    .args(["--check", "--edition", "2021"])
                    .arg(&path)
                    .status()?;
                ensure!(formatted.success(), "{} is not formatted", path.display());
            }
        }
    }
    Ok(())
}

#[test]
fn a_saved_change_is_tested_at_once() -> Result<()> {
    let project = TestProject::new(&[("own.c", &module("return 0;"))])?;
    let mut command = project.command(&["watch", "./own"]);
    let mut watch = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut results = BufReader::new(watch.stdout.take().context("output")?).lines();
    let mut notes = BufReader::new(watch.stderr.take().context("errors")?).lines();
    let until = |lines: &mut dyn Iterator<Item = std::io::Result<String>>, part: &str| {
        for line in lines {
            if line?.contains(part) {
                return Ok(());
            }
        }
        bail!("{part:?} did not come")
    };
    until(&mut results, "1 passed, 0 failed")?;
    until(&mut notes, "watching ./own")?;
    project.write("own.c", &module("return -EINVAL;"))?;
    until(&mut results, "0 passed, 1 failed")?;
    until(&mut notes, "watching ./own")?;
    // A file of the same contents is not a change; the next one is.
    project.write("own.c", &module("return -EINVAL;"))?;
    project.write("own.c", &module("pr_info(\"mended\\n\"); return 0;"))?;
    until(&mut results, "mended")?;
    until(&mut results, "1 passed, 0 failed")?;
    let pid = rustix::process::Pid::from_child(&watch);
    rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
    let status = watch.wait()?;
    ensure!(status.code() == Some(130), "{status}");
    Ok(())
}

#[test]
fn the_program_works_under_the_name_by_which_it_is_installed() -> Result<()> {
    let project = TestProject::of("two_files")?;
    let installed = project.folder.path().join("kmodlab");
    std::fs::copy(env!("CARGO_BIN_EXE_xtask"), &installed)?;
    let mut kmodlab = Command::new(&installed);
    kmodlab
        .args(["test", "./two_files", "--run", "false", "--no-install"])
        .current_dir(project.folder.path())
        .env("KMODLAB_WORKSPACE", original());
    run(&mut kmodlab)?.expect(
        1,
        &[
            "a command ended with status 1",
            "to reproduce: kmodlab qemu --lang c ./two_files",
        ],
    )
}

#[test]
fn a_hang_is_located_in_the_projects_source() -> Result<()> {
    let project = TestProject::of("hangs")?;
    let output = project.xtask(&["test", "./hangs"])?;
    let parts = [
        "./hangs: hangs (c): hung: ",
        "    $ insmod hangs.ko",
        "was at ./hangs/hangs.c:9, in ",
        "wait_for_completion(&never);",
        "cargo xtask qemu --lang c ./hangs",
    ];
    output.expect(1, &parts)
}

#[test]
fn schedules_timelines_and_recordings_work() -> Result<()> {
    let project = TestProject::of("depends")?;
    let args = [
        "test",
        "./depends",
        "--schedules",
        "3",
        "--timeline",
        "lines",
    ];
    project.xtask(&args)?.expect(0, &["3 of 3 passed"])?;
    ensure!(project.folder.path().join("lines").is_dir());
    let output = project.xtask(&["test", "./depends", "--record", "records"])?;
    output.expect(0, &["replay one with: "])?;
    let record = std::fs::read_dir(project.folder.path().join("records"))?
        .next()
        .context("a recording")??;
    let record = record.path().display().to_string();
    project.xtask(&["replay", &record])?.expect(0, &[])
}

#[test]
fn a_race_of_a_project_is_found() -> Result<()> {
    let race = original()
        .join("modules/races/unlocked_counter")
        .canonicalize()?;
    let race = race.display().to_string();
    let args = ["test", &race, "--lang", "c", "--schedules", "20"];
    let output = run(&mut xtask(original(), &args))?;
    let repeat = format!("to repeat: cargo xtask test {race} --lang c --seed");
    output.expect(1, &["schedules failed, the first with seed", &repeat])
}

#[test]
fn nothing_is_written_into_the_folder() -> Result<()> {
    let list = |folder: &Path| -> Result<String> {
        let listing = Command::new("find")
            .args([folder, Path::new("-printf")])
            .arg("%p %m %s %T@\n")
            .stdin(Stdio::null())
            .output()?;
        Ok(String::from_utf8_lossy(&listing.stdout).into_owned())
    };
    let project = TestProject::of("mixed")?;
    let locked = Command::new("chmod")
        .args(["-R", "a-w"])
        .arg(&project.path)
        .status()?;
    ensure!(locked.success());
    let before = list(&project.path)?;
    project
        .xtask(&["test", "./mixed"])?
        .expect(0, &["1 passed"])?;
    ensure!(list(&project.path)? == before);
    // The folder is removed at the end.
    let unlocked = Command::new("chmod")
        .args(["-R", "u+w"])
        .arg(&project.path)
        .status()?;
    ensure!(unlocked.success());
    Ok(())
}
