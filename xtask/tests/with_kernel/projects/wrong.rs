//! Folders and files that are wrong.

use anyhow::{Context as _, Result, ensure};
use expectrl::{Eof, Expect as _, Session};

use super::module;
use crate::lab::TestProject;

#[test]
fn a_folder_that_is_no_project_does_not_stop_the_others() -> Result<()> {
    let source = module("return 0;");
    let files = [("README.md", ""), ("right/right.c", &source)];
    let project = TestProject::new(&files)?;
    project.write("wrong/kmodlab.toml", "[tset]\n")?;
    let folders = ["./own/wrong", "./own/right"];
    let output = project.xtask(&[&["test", "--junit", "results.xml"], &folders[..]].concat())?;
    let parts = [
        "right (c)  ok",
        "wrong (c)  FAILED",
        "does-not-compile: the module cannot be built: ./own/wrong/kmodlab.toml:1: unknown field",
        "unknown field `tset`",
        "1 passed, 1 failed",
    ];
    output.expect(1, &parts)?;
    let results = std::fs::read_to_string(project.folder.path().join("results.xml"))?;
    ensure!(results.contains("tests=\"2\" failures=\"1\""), "{results}");
    let output = project.xtask(&[&["build"], &folders[..]].concat())?;
    output.expect(
        1,
        &[
            "right.ko",
            "error: ./own/wrong/kmodlab.toml:1: unknown field",
        ],
    )?;
    let output = project.xtask(&[&["qemu"], &folders[..]].concat())?;
    output.expect(1, &["error: ./own/wrong/kmodlab.toml:1: unknown field"])
}

/// A Kbuild is a program of make's, which fails in many ways.
#[test]
fn a_kbuild_that_fails_does_not_stop_the_others() -> Result<()> {
    let source = module("return 0;");
    let kbuilds = [
        ("suffix", "obj-m := suffix\n", "No rule to make target"),
        (
            "folder",
            "obj-m := folder.o nothing/\n",
            "No rule to make target './own/folder/nothing/Makefile'",
        ),
        (
            "quote",
            "obj-m := quote.o\nccflags-y := -DX='x\n",
            "-DX='x  -DMODULE",
        ),
        (
            "option",
            "obj-m := option.o\nccflags-y := -fnothing\n",
            "unknown argument: '-fnothing'",
        ),
        (
            "host",
            "obj-m := host.o\nhostprogs := h\nalways-y := h\n",
            "./own/host/h.c:1:",
        ),
        ("names", "obj-m := a/ b/\n", "module name conflict"),
        (
            "junk",
            "obj-m := junk.o\nX := $(shell mkdir -p $(src)/d && echo x > $(src)/d/x.ko)\n",
            "x.ko is not a module",
        ),
        (
            "around",
            "obj-m := around.o sub/\n",
            "./own/around/sub/Kbuild: `../` among the objects",
        ),
    ];
    let project = TestProject::new(&[("README.md", ""), ("right/right.c", &source)])?;
    project.write("host/h.c", "int main(void) { return 0 }\n")?;
    project.write("around/sub/Kbuild", "obj-m := ../\n")?;
    for part in ["a", "b"] {
        project.write(&format!("names/{part}/x.c"), &source)?;
        project.write(&format!("names/{part}/Kbuild"), "obj-m := x.o\n")?;
    }
    let mut args = vec!["test".to_owned(), "./own/right".to_owned()];
    for (name, kbuild, _) in kbuilds {
        project.write(&format!("{name}/{name}.c"), &source)?;
        project.write(&format!("{name}/Kbuild"), kbuild)?;
        args.push(format!("./own/{name}"));
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let output = project.xtask(&args)?;
    output.expect(1, &["right (c)   ok", "1 passed, 8 failed, 0 skipped"])?;
    let reports = output.printed();
    for (name, _, problem) in kbuilds {
        ensure!(reports.contains(problem), "{name}: {reports}");
        let is_verdict = |line: &&str| line.starts_with(&format!("{name} (c)"));
        let row = reports.lines().find(is_verdict).unwrap_or_default();
        ensure!(row.contains("does-not-compile: "), "{row}");
    }
    Ok(())
}

#[test]
fn a_folder_with_wrong_settings_does_not_stop_the_others() -> Result<()> {
    let source = module("return 0;");
    let manifests = [
        (
            "use",
            "[kernel]\nuse = \"7.9\"\n",
            "[kernel] use: there is no kernel 7.9; there are: ",
        ),
        (
            "path",
            "[kernel]\npath = \"../x\"\n",
            "[kernel] path: ./own/path/../x does not exist",
        ),
        (
            "device",
            "[guest]\ndevices = [\"edu\"]\n",
            "the device edu needs machine = \"q35\"",
        ),
        (
            "limit",
            "[test]\nlimit = 0\n",
            "limit = 0 is not from 1 to 65535",
        ),
        (
            "files",
            "[guest]\nfiles = { \"/root/x\" = \"files.c\", \"/root/x/y\" = \"files.c\" }\n",
            "/root/x/y would be in the folder /root/x, and /root/x is a file",
        ),
    ];
    let project = TestProject::new(&[("README.md", ""), ("right/right.c", &source)])?;
    let mut args = vec!["test".to_owned(), "./own/right".to_owned()];
    for (name, manifest, _) in manifests {
        project.write(&format!("{name}/{name}.c"), &source)?;
        project.write(&format!("{name}/kmodlab.toml"), manifest)?;
        args.push(format!("./own/{name}"));
    }
    project.write("dash/a-b.c", &source)?;
    project.write("dash/a_b.c", &source)?;
    args.push("./own/dash".to_owned());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let words = manifests.map(|(_, _, words)| words);
    let parts = [
        "right (c)   ok",
        "./own/dash: the kernel has one name for the modules a-b and a_b",
        "1 passed, 6 failed",
    ];
    project
        .xtask(&args)?
        .expect(1, &[&parts[..], &words[..]].concat())
}

#[test]
fn a_module_with_the_name_of_kmodlabs_own_cannot_be_scheduled() -> Result<()> {
    let source = module("return 0;");
    let project = TestProject::new(&[("README.md", ""), ("perturb/perturb.c", &source)])?;
    project
        .xtask(&["test", "./own/perturb"])?
        .expect(0, &["1 passed"])?;
    let output = project.xtask(&["test", "./own/perturb", "--schedules", "1"])?;
    output.expect(1, &["has the name perturb too; rename the module"])
}

#[test]
fn kernel_parameters_that_stop_the_kernel_are_named() -> Result<()> {
    let source = module("return 0;");
    let manifest = "[test]\nparameters = [\"rdinit=/nothing\", \"init=/nothing\"]\n";
    let project = TestProject::new(&[("own.c", &source), ("kmodlab.toml", manifest)])?;
    let output = project.xtask(&["test", "./own"])?;
    let note =
        "the guests have the kernel parameters of kmodlab.toml, `rdinit=/nothing init=/nothing`";
    output.expect(69, &[note])
}

#[test]
fn wrong_folders_are_explained() -> Result<()> {
    let empty = TestProject::new(&[("README.md", "")])?;
    empty.xtask(&["test", "./own"])?.expect(
        1,
        &[
            "cannot be built: ./own has no module: ",
            "0 passed, 1 failed",
        ],
    )?;
    empty
        .xtask(&["test", "./other"])?
        .expect(2, &["error: ./other cannot be opened: "])?;
    let file = empty.xtask(&["test", "./own/README.md"])?;
    file.expect(2, &["./own/README.md is a file; give the folder"])?;
    empty
        .xtask(&["test", "--run", "true"])?
        .expect(2, &["--run: give the folder of a module too"])?;

    let missing = TestProject::new(&[(
        "own.c",
        &module("extern int nowhere(void); return nowhere();"),
    )])?;
    let output = missing.xtask(&["test", "./own"])?;
    output.expect(1, &["does-not-compile", "undefined!"])?;
    // The second form is that of Linux 7.3.
    let forms = ["\"nowhere\"", "'nowhere'"];
    ensure!(forms.iter().any(|form| output.stdout.contains(form)));

    let i2c = "extern int i2c_add_numbered_adapter(void *); return i2c_add_numbered_adapter(0);";
    let option = TestProject::new(&[("own.c", &module(i2c))])?;
    let output = option.xtask(&["test", "./own"])?;
    output.expect(
        1,
        &[
            "note: i2c_add_numbered_adapter is in drivers/i2c/i2c-core-base.c, which needs CONFIG_I2C",
            "this kernel has that off; `--option I2C` turns it on",
        ],
    )?;

    let source = |other: &str, own: &str| {
        format!(
            "#include <linux/module.h>\nint {other}_f(void);\nint {own}_f(void);\n\
             int {own}_f(void) {{ return {other}_f(); }}\nEXPORT_SYMBOL_GPL({own}_f);\n\
             MODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"A test\");\n"
        )
    };
    let circle = TestProject::new(&[("a.c", &source("b", "a")), ("b.c", &source("a", "b"))])?;
    let output = circle.xtask(&["test", "./own"])?;
    output.expect(1, &["the modules a, b need each other's symbols"])?;

    let kbuild = TestProject::new(&[("Kbuild", "obj-m := own.o\nnonsense\n"), ("own.c", "")])?;
    kbuild
        .xtask(&["test", "./own"])?
        .expect(1, &["./own/Kbuild:2: *** missing separator"])?;

    let nothing = TestProject::new(&[
        ("Kbuild", "obj-$(CONFIG_NOT_AN_OPTION) := own.o\n"),
        ("own.c", &module("return 0;")),
    ])?;
    nothing
        .xtask(&["test", "./own"])?
        .expect(1, &["kbuild made no module"])
}

#[test]
fn files_for_the_guest_are_checked() -> Result<()> {
    let project = TestProject::of("two_files")?;
    let with =
        |file: &str| project.xtask(&["test", "./two_files", "--with", file, "--run", "true"]);
    let dynamic = with("/bin/true")?;
    dynamic.expect(
        2,
        &["/bin/true is not linked statically, and the guest has no C library"],
    )?;
    project.write(
        "p.c",
        "#include <stdio.h>\nint main(void) { printf(\"ok\\n\"); return 3; }\n",
    )?;
    with("two_files/p.c")?.expect(0, &["1 passed"])?;
    let run = [
        "test",
        "./two_files",
        "--with",
        "two_files/p.c",
        "--run",
        "./p",
    ];
    // The output is shown although the status is wrong.
    project
        .xtask(&run)?
        .expect(1, &["a command ended with status 3", "\n  ok\n"])?;
    with("/nothing")?.expect(2, &["/nothing is not a file"])?;
    with("/bin/true:/proc/x")?.expect(2, &["this path is the guest's own"])?;
    project.write("t.c", "int main(void) { return nothing; }\n")?;
    let wrong = with("two_files/t.c")?;
    wrong.expect(
        1,
        &[
            "t.c does not compile as a program for the guest",
            "use of undeclared",
        ],
    )
}

#[test]
fn compilers_name_the_users_files() -> Result<()> {
    let c = TestProject::new(&[("own.c", &module("return nothing;"))])?;
    let parts = [
        "does-not-compile",
        "./own/own.c:4:9: error: use of undeclared identifier",
    ];
    c.xtask(&["test", "./own"])?.expect(1, &parts)?;

    let rust = TestProject::of("plain_rust")?;
    let source = std::fs::read_to_string(rust.path.join("plain_rust.rs"))?;
    rust.write(
        "plain_rust.rs",
        &source.replace("Ok(PlainRust)", "Ok(Nothing)"),
    )?;
    let output = rust.xtask(&["test", "./plain_rust"])?;
    output.expect(1, &["cannot find", " --> ./plain_rust/plain_rust.rs:20:12"])?;

    // A warning of a build that succeeds is shown, also if the module is in the cache.
    let warns = TestProject::new(&[("own.c", &module("int unused; return 0;"))])?;
    for _ in 0..2 {
        let output = warns.xtask(&["test", "./own"])?;
        output.expect(
            0,
            &["./own/own.c:4:6: warning: unused variable", "own (c)  ok"],
        )?;
    }
    // One module that does not compile does not stop the others.
    let both = TestProject::of("two_files")?;
    let broken = c.path.display().to_string();
    let output = both.xtask(&["test", &broken, "./two_files"])?;
    output.expect(1, &["two_files (c)  ok", "1 passed, 1 failed"])
}

/// Editors look for a warning at the beginning of a line.
#[test]
fn a_warning_has_a_line_of_its_own_beside_a_bar() -> Result<()> {
    const CLEARS_LINE: &str = "\x1b[2K";
    let warns = TestProject::new(&[])?;
    // No other test has compiled this source.
    let unique = format!("int unused; /* {} */ return 0;", warns.path.display());
    warns.write("own.c", &module(&unique))?;
    let mut build = warns.command(&["build", "./own"]);
    build.env("TERM", "xterm");
    let mut session = Session::spawn(build)?;
    session.set_expect_timeout(None);
    let printed = session.expect(Eof)?;
    let text = String::from_utf8_lossy(printed.as_bytes()).into_owned();
    ensure!(text.contains("compiling ./own"), "{text}");
    let (before, _) = text
        .split_once("./own/own.c:4:6: warning: unused variable")
        .with_context(|| text.clone())?;
    ensure!(
        before.ends_with('\n') || before.ends_with(CLEARS_LINE),
        "{before:?}"
    );
    Ok(())
}

/// kbuild's rule for Rust is one whose output make does not keep together by itself: the name of the C source came
/// between rustc's error and make's line about it in one of three builds.
#[test]
fn an_error_in_rust_is_shown_beside_a_source_in_c() -> Result<()> {
    let mixed = TestProject::of("mixed")?;
    let source = std::fs::read_to_string(mixed.path.join("src/mixed.rs"))?;
    ensure!(source.contains("Result<Self>"));
    let wrong = source.replace("Result<Self>", "Result<Nobody>");
    for build in 1..=4 {
        mixed.write("src/mixed.rs", &format!("{wrong}// {build}\n"))?;
        let output = mixed.xtask(&["test", "./mixed"])?;
        output.expect(
            1,
            &[
                "does-not-compile",
                "error[E0412]: cannot find type `Nobody`",
                "./mixed/src/mixed.rs:23",
            ],
        )?;
    }
    Ok(())
}
