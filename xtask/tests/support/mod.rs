//! What several tests with real guests need.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

/// A clone whose lessons are these test modules of `modules/tests`. Its folder
/// tells xtask what a lesson is, so a test becomes one.
pub fn clone_with(tests: &[&str]) -> Result<tempfile::TempDir> {
    let clone = tempfile::tempdir()?;
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut copies = vec![
        ("kernel-config".to_owned(), "."),
        ("initramfs".to_owned(), "."),
        ("modules/Kbuild".to_owned(), "modules"),
        ("modules/kernel_ext".to_owned(), "modules"),
    ];
    copies.extend(
        tests
            .iter()
            .map(|name| (format!("modules/tests/{name}"), "modules/lessons")),
    );
    std::fs::create_dir_all(clone.path().join("modules/lessons"))?;
    for (part, to) in &copies {
        let copied = Command::new("cp")
            .arg("-r")
            .arg(original.join(part))
            .arg(clone.path().join(to))
            .status()?;
        ensure!(copied.success(), "cp failed on {part}");
    }
    Ok(clone)
}
