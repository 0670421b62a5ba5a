//! Embeds the files of the clone that the program needs at run time, so that an installed
//! `kmodlab` works in any folder, after the clone is gone too.
//!
//! Only in release builds, which `cargo install` makes: `cargo xtask` uses the files of the clone
//! around it, and would be compiled anew with every change of a lesson's text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The parts of the clone that a session reads, and those that cargo needs to compile the agent.
const PARTS: [&str; 10] = [
    "Cargo.lock",
    "Cargo.toml",
    "initramfs",
    "kernel-config",
    "modules/Kbuild",
    "modules/course.toml",
    "modules/hints.toml",
    "modules/kernel_ext",
    "modules/tools",
    "xtask/protocol",
];

/// Parts that are lessons, which an installed program runs by name.
const LESSONS: [&str; 2] = ["modules/lessons", "modules/races"];

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| env::var_os(name).map(PathBuf::from).unwrap_or_default();
    let root = variable("CARGO_MANIFEST_DIR").join("..");
    let mut files = Vec::new();
    if env::var("PROFILE").as_deref() == Ok("release") {
        for part in PARTS.iter().chain(&LESSONS) {
            println!("cargo:rerun-if-changed={}", root.join(part).display());
            visit(&root, Path::new(part), &mut files)?;
        }
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in files {
        let path = root.join(&file);
        let executable = is_executable(&path)?;
        let (name, path) = (file.display().to_string(), path.display().to_string());
        let line = writeln!(
            list,
            "    ({name:?}, {executable}, include_bytes!({path:?})),"
        );
        line.map_err(io::Error::other)?;
    }
    list.push_str("]\n");
    fs::write(variable("OUT_DIR").join("embedded_clone.rs"), list)
}

/// Adds the files below `path` that are not hidden and not the result of a build.
fn visit(root: &Path, path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let full = root.join(path);
    if !full.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(full)? {
        let name = entry?.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if !hidden && name != "target" {
            visit(root, &path.join(name), files)?;
        }
    }
    Ok(())
}

fn is_executable(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(path)?.permissions().mode() & 0o100 != 0)
}
