//! The compiler cannot read the host: a module includes files of its own folder, and no others.

use anyhow::{Result, ensure};
use xtask::process::has_landlock;

use crate::lab::{MODULE, TWIN, TestClone};

/// Contents of a file outside the lesson's folder, valid in both languages.
const SECRET: &str = "/* the-secret */ compile_error!(\"the-secret\");";

/// Part of a message that only a file with the secret leads to.
const FOUND: &str = "the-secret";

const EXPLANATION: &str = "note: a module can include only files of its own folder";

/// Lines that include the file `@`, in Rust.
const RUST: [&str; 5] = [
    r#"const _: &str = { let secret = include_str!("@"); assert!(secret.is_empty()); secret };"#,
    r#"include!("@");"#,
    r#"#[path = "@"] mod secret;"#,
    r#"core::arch::global_asm!(".incbin \"@\"");"#,
    r#"core::arch::global_asm!(".include \"@\"");"#,
];

/// The same in C.
const C: [&str; 4] = [
    r#"#include "@""#,
    r#"#embed "@""#,
    r#"asm(".incbin \"@\"");"#,
    r#"asm(".include \"@\"");"#,
];

/// Compiles a lesson for each of the `lines`, whose `@` stands for a file with the secret outside the
/// clone. The compiler must refuse each, and nothing may contain the secret.
fn reads_no_other_file(language: &str, lines: &[&str]) -> Result<()> {
    if !has_landlock() {
        return Ok(());
    }
    let outside = tempfile::tempdir()?;
    let secret = outside.path().join("secret");
    std::fs::write(&secret, SECRET)?;
    let names: Vec<String> = (0..lines.len()).map(|n| format!("lesson{n}")).collect();
    let lessons: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "$ true\n")).collect();
    let clone = TestClone::with_lessons(&lessons)?;
    for (name, line) in names.iter().zip(lines) {
        let line = line.replace('@', &secret.display().to_string());
        match language {
            "rust" => {
                clone.write_lesson(name, &format!("{name}.rs"), &format!("{MODULE}\n{line}\n"))?;
            }
            _ => clone.add_twin(name, &format!("{line}\n{TWIN}"))?,
        }
    }
    let output = clone.run(&["test", "--lang", language, "--jobs", "4"])?;
    let count = format!("0 passed, {} failed", lines.len());
    output.expect(1, &[&count])?;
    let printed = output.printed();
    ensure!(!printed.contains(FOUND), "{printed}");
    for part in ["does-not-compile", EXPLANATION] {
        let count = output.stdout.matches(part).count();
        ensure!(count >= lines.len(), "{part}: {count} times\n{printed}");
    }
    Ok(())
}

#[test]
fn a_module_in_rust_includes_no_other_file() -> Result<()> {
    reads_no_other_file("rust", &RUST)
}

#[test]
fn a_module_in_c_includes_no_other_file() -> Result<()> {
    reads_no_other_file("c", &C)
}

/// The other lesson is compiled at the same time, and is not affected.
#[test]
fn a_module_does_not_include_another_lessons_file() -> Result<()> {
    if !has_landlock() {
        return Ok(());
    }
    let clone = TestClone::with_lessons(&[("probe", "$ true\n"), ("other", "$ true\n")])?;
    // A path that the cache has not seen, so that the other lesson is compiled too.
    let other = MODULE.replace("\"probe\"", "\"other\"");
    let path = clone.path("").display().to_string();
    clone.write_lesson("other", "other.rs", &format!("{other}\n// {path}\n"))?;
    let include = "const _: &str = include_str!(\"../other/other.rs\");";
    clone.write_lesson("probe", "probe.rs", &format!("{MODULE}\n{include}\n"))?;
    clone.run(&["test", "--lang", "rust"])?.expect(
        1,
        &[
            "../other/other.rs",
            "Permission denied",
            EXPLANATION,
            "1 passed, 1 failed",
        ],
    )
}

#[test]
fn a_symbolic_link_does_not_lead_out_of_the_folder() -> Result<()> {
    let clone = TestClone::probe("$ insmod probe.ko\n$ rmmod probe\n")?;
    clone.add_twin("probe", &format!("#include \"x.h\"\n{TWIN}"))?;
    let outside = tempfile::tempdir()?;
    let secret = outside.path().join("secret");
    std::fs::write(&secret, SECRET)?;
    std::os::unix::fs::symlink(&secret, clone.lesson("probe").join("c/x.h"))?;
    let output = clone.run(&["test", "probe"])?;
    let rule = "a module can include only files of its own folder; put a copy there";
    output.expect(1, &[rule, "c/x.h", "1 passed, 1 failed"])?;
    ensure!(!output.printed().contains(FOUND), "{}", output.printed());
    Ok(())
}

/// The files are inputs of the key: the module is compiled again if one changes.
#[test]
fn a_module_includes_files_of_its_own_folder() -> Result<()> {
    let console = "$ insmod probe.ko\n$ dmesg | grep -o 'from .*'\nfrom one\n$ rmmod probe\n";
    let clone = TestClone::probe(console)?;
    let line = "pr_info!(\"from {}\\n\", include_str!(\"data.txt\"));\n        Ok(Probe)";
    clone.write_lesson("probe", "probe.rs", &MODULE.replace("Ok(Probe)", line))?;
    let twin = TWIN.replace("this is C", "from \" TEXT \"");
    clone.add_twin("probe", &format!("#include \"text.inc\"\n{twin}"))?;
    for (text, status) in [("one", 0), ("two", 1)] {
        clone.write_lesson("probe", "data.txt", text)?;
        clone.write_lesson("probe", "c/text.inc", &format!("#define TEXT \"{text}\"\n"))?;
        let counts = ["2 passed, 0 failed", "0 passed, 2 failed"][usize::from(status == 1)];
        clone.run(&["test", "probe"])?.expect(status, &[counts])?;
    }
    Ok(())
}
