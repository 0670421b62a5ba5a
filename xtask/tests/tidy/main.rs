//! The rules of the repository that a script can keep: wording of comments and
//! documents, links, options that documents name, unique names of types.

mod links;
mod options;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use xtask::workspace::Workspace;

/// Folders and files that are still to be rewritten, as prefixes of paths.
const PENDING: &[&str] = &["xtask/tests/with_kernel/"];

/// Text that nobody here wrote or that must stay as it is, as prefixes of paths.
const FOREIGN: &[&str] = &[
    // Patches quote the kernel's code, and their texts are commit messages.
    "kernel-config/patches/",
    // Inputs of the fuzzer.
    "xtask/fuzz/corpus/",
    // The rules themselves.
    "xtask/tests/tidy/",
];

/// Returns the files with prose or code: paths relative to the clone, and absolute.
fn files() -> Result<Vec<(String, PathBuf)>> {
    const FOLDERS: &[&str] = &[
        ".cargo",
        ".ci",
        "ci",
        "docs",
        "initramfs",
        "kernel-config",
        "modules",
        "xtask",
    ];
    let root = Workspace::find()?.root().to_owned();
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|name| root.join(name)).collect();
    found.push(root.join("README.md"));
    found.push(root.join("Cargo.toml"));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                // A build's results, such as those of `cargo fuzz`.
                if !["target", "artifacts"]
                    .map(Into::into)
                    .contains(&entry.file_name())
                {
                    folders.push(entry.path());
                }
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    let relative =
        |path: &Path| -> Result<String> { Ok(path.strip_prefix(&root)?.display().to_string()) };
    found
        .into_iter()
        .map(|path| Ok((relative(&path)?, path)))
        .collect()
}

/// Returns whether one of the prefixes is at the start of the path.
fn is_in(path: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| path.starts_with(prefix))
}

/// Returns the files with prose to check, and their texts. Fenced blocks of documents
/// are empty lines: they are code and output.
fn prose() -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for (path, file) in files()? {
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        let known = ["", "rs", "c", "h", "md", "toml", "config", "yml", "sh"];
        if is_in(&path, PENDING) || is_in(&path, FOREIGN) || !known.contains(&&*extension) {
            continue;
        }
        let text = std::fs::read_to_string(&file).with_context(|| path.clone())?;
        let text = match &*extension {
            "md" => without_blocks(&text),
            _ => text,
        };
        all.push((path, text));
    }
    Ok(all)
}

/// Returns a document with the lines of its fenced blocks emptied.
fn without_blocks(markdown: &str) -> String {
    let mut inside = false;
    let lines = markdown.lines().map(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        if inside || fence { "" } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn report(wrong: &[String]) -> Result<()> {
    ensure!(
        wrong.is_empty(),
        "{} places (see docs/glossary.md for the words):\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(())
}

#[test]
fn each_type_of_a_crate_has_a_name_of_its_own() -> Result<()> {
    const CRATES: &[&str] = &[
        "initramfs/agent/",
        "xtask/bench/",
        "xtask/book/",
        "xtask/protocol/",
        "xtask/src/",
    ];
    const KINDS: &[&str] = &["struct", "enum", "trait", "type"];
    let mut types: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for (path, file) in files()? {
        let Some(krate) = CRATES.iter().find(|krate| path.starts_with(**krate)) else {
            continue;
        };
        if !path.ends_with(".rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file)?;
        // Types of tests are indented, and so are those of implementations.
        for (index, line) in text.lines().enumerate() {
            let item = line.strip_prefix("pub ").unwrap_or(line);
            let item = item.strip_prefix("pub(crate) ").unwrap_or(item);
            let Some((kind, rest)) = item.split_once(' ') else {
                continue;
            };
            if KINDS.contains(&kind) && !line.starts_with(' ') {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                let name = rest[..end.unwrap_or(rest.len())].to_owned();
                let places = types.entry((krate, name)).or_default();
                places.push(format!("{path}:{}", index + 1));
            }
        }
    }
    ensure!(types.len() > 100, "only {} types found", types.len());
    let twice = types.iter().filter(|(_, places)| places.len() > 1);
    let wrong: Vec<String> = twice
        .map(|((_, name), places)| format!("{name}: {}", places.join(", ")))
        .collect();
    report(&wrong)
}

/// The map of the code names each folder and file of `xtask/src`, and no others.
#[test]
fn the_map_of_the_code_is_complete() -> Result<()> {
    const MAP: &str = "## `xtask/src`, in the order of the flow";
    /// The entries that a map does not need.
    const ROOTS: &[&str] = &["lib.rs", "main.rs"];
    let root = Workspace::find()?.root().to_owned();
    let text = std::fs::read_to_string(root.join("docs/architecture.md"))?;
    let rows = text.lines().skip_while(|line| *line != MAP).skip(4);
    let cells = rows
        .take_while(|row| row.starts_with('|'))
        .filter_map(|row| row.split('|').nth(1));
    let named: BTreeSet<&str> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let mut there = BTreeSet::new();
    for entry in std::fs::read_dir(root.join("xtask/src"))? {
        let entry = entry?;
        let mut name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            name.push('/');
        }
        there.insert(name);
    }
    let there: BTreeSet<&str> = there.iter().map(String::as_str).collect();
    let there = &there - &ROOTS.iter().copied().collect();
    assert_eq!(named, there);
    Ok(())
}

/// Modules and crates with `unsafe` code, as prefixes of paths, each with the reason.
const UNSAFE: &[(&str, &str)] = &[
    ("modules/kernel_ext/", "calls the kernel's C functions"),
    (
        "modules/tools/perturb/",
        "sets breakpoints through functions in C",
    ),
    (
        "modules/races/unsafe_list",
        "shows how one function breaks the promise of an `unsafe` block in another",
    ),
];

/// Lessons, races and tests show what safe Rust does.
#[test]
fn modules_have_unsafe_code_only_where_listed() -> Result<()> {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (path, file) in files()? {
        if !path.starts_with("modules/") || !path.ends_with(".rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file)?;
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let words: Vec<&str> = code
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .collect();
            if !words.contains(&"unsafe") {
                continue;
            }
            match UNSAFE.iter().find(|(start, _)| path.starts_with(start)) {
                Some((start, _)) => _ = used.insert(start),
                None => wrong.push(format!("{path}:{}: {}", index + 1, line.trim())),
            }
        }
    }
    assert_eq!(used.len(), UNSAFE.len(), "an entry is not needed");
    report(&wrong)
}
