//! Copies of the clone, for tests with lessons of their own.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

/// Copies parts of the clone, each into a folder of `clone`.
pub fn copy(parts: &[(&str, &str)], clone: &Path) -> Result<()> {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (part, folder) in parts {
        let folder = clone.join(folder);
        std::fs::create_dir_all(&folder)?;
        let copied = Command::new("cp")
            .arg("-r")
            .args([&original.join(part), &folder])
            .status()?;
        ensure!(copied.success(), "cp failed on {part}");
    }
    Ok(())
}
