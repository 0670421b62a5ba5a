//! A copy of the clone whose lessons are the modules of `modules/tests`.

use anyhow::Result;

use crate::copy::copy;

/// A clone whose lessons are these test modules of `modules/tests`. Its folder
/// tells xtask what a lesson is, so a test becomes one.
pub fn clone_with(tests: &[&str]) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let tests: Vec<String> = tests
        .iter()
        .map(|name| format!("modules/tests/{name}"))
        .collect();
    let mut parts = vec![
        ("kernel-config", "."),
        ("initramfs", "."),
        ("modules/Kbuild", "modules"),
        ("modules/kernel_ext", "modules"),
    ];
    parts.extend(tests.iter().map(|test| (test.as_str(), "modules/lessons")));
    copy(&parts, folder.path())?;
    Ok(folder)
}
