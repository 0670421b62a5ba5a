//! Remembered outputs of tools, such as their versions.
//!
//! Ten tools need a quarter of a second to print their versions, which is all the time that a
//! build with nothing to do may take. So each output is remembered with the size, time and inode
//! of its program, and the program runs again only if one of these has changed.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::memo;
use crate::process::Tool;

/// Name of the remembered answers.
const MEMO: &str = "versions";

/// The remembered outputs.
#[derive(Debug)]
pub struct ToolAnswers {
    cache: Cache,
    answers: BTreeMap<String, ToolAnswer>,
    changed: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ToolAnswer {
    program: FileFingerprint,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct FileFingerprint {
    real: PathBuf,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
    inode: u64,
}

impl ToolAnswers {
    /// Reads the outputs that the cache has.
    ///
    /// # Errors
    ///
    /// Fails if the cache's folder for them cannot be made.
    pub fn load(cache: &Cache) -> Result<Self> {
        cache.folder("resolved")?;
        Ok(Self {
            cache: cache.clone(),
            answers: memo::recall(cache, MEMO).unwrap_or_default(),
            changed: false,
        })
    }

    /// Writes the outputs to the cache, if there are new ones.
    ///
    /// # Errors
    ///
    /// Fails if the cache cannot be written.
    pub fn save(&mut self) -> Result<()> {
        if self.changed {
            memo::remember(&self.cache, MEMO, &self.answers)?;
            self.changed = false;
        }
        Ok(())
    }

    /// Returns the output of `program ARG…`, on both streams; `None` if the program cannot be
    /// started or fails.
    pub fn ask(&mut self, program: &Path, args: &[&str]) -> Option<String> {
        let question = format!("{} {}", program.display(), args.join(" "));
        self.answer(question, program, || {
            let (status, stdout, stderr) = Tool::new(program)
                .args(args)
                .env("LC_ALL", "C")
                .capture()
                .ok()?;
            let text = format!("{}\n{}", stdout.trim(), stderr.trim());
            status.success().then(|| text.trim().to_owned())
        })
    }

    /// Returns the remembered answer of a program to `question`, or that of `ask`, which is
    /// remembered; `None` if that has none.
    pub fn answer(
        &mut self,
        question: String,
        program: &Path,
        ask: impl FnOnce() -> Option<String>,
    ) -> Option<String> {
        let fingerprint = fingerprint(program)?;
        if let Some(answer) = self.answers.get(&question)
            && answer.program == fingerprint
        {
            return Some(answer.text.clone());
        }
        let text = ask()?;
        let answer = ToolAnswer {
            program: fingerprint,
            text: text.clone(),
        };
        self.answers.insert(question, answer);
        self.changed = true;
        Some(text)
    }
}

fn fingerprint(program: &Path) -> Option<FileFingerprint> {
    let real = std::fs::canonicalize(program).ok()?;
    let metadata = std::fs::metadata(&real).ok()?;
    Some(FileFingerprint {
        real,
        size: metadata.size(),
        seconds: metadata.mtime(),
        nanoseconds: metadata.mtime_nsec(),
        inode: metadata.ino(),
    })
}

/// Returns the version after `marker` in a tool's output: `19.1.7` in `Debian clang version 19.1.7
/// (3~deb12u1)`, with the marker `version`.
pub fn version_after(text: &str, marker: &str) -> Option<String> {
    let (_, rest) = text.split_once(marker)?;
    let word = rest.split_whitespace().next()?;
    let version: String = word
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let version = version.trim_end_matches('.').to_owned();
    version
        .starts_with(|c: char| c.is_ascii_digit())
        .then_some(version)
}

/// Returns the numbers of a version, for comparisons: `[7, 2, 22]`.
pub fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_the_output_of_tools() {
        for (text, marker, version) in [
            (
                "Debian clang version 19.1.7 (3~deb12u1)\nTarget: x",
                "clang version",
                "19.1.7",
            ),
            (
                "clang version 19.1.0 (Fedora 19.1.0-1.fc41)",
                "clang version",
                "19.1.0",
            ),
            (
                "Debian LLD 19.1.7 (compatible with GNU linkers)",
                "LLD",
                "19.1.7",
            ),
            (
                "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)",
                "version",
                "7.2.22",
            ),
            ("rustc 1.85.0 (4d91de4e4 2025-02-17)", "rustc", "1.85.0"),
            ("rustc 1.97.0-nightly (abc 2026-01-01)", "rustc", "1.97.0"),
            ("bindgen 0.71.1", "bindgen", "0.71.1"),
        ] {
            assert_eq!(
                version_after(text, marker).as_deref(),
                Some(version),
                "{text}"
            );
        }
        assert_eq!(version_after("no version here", "version"), None);
        assert_eq!(version_after("", "version"), None);
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(numbers("7.10") > numbers("7.2.22"));
        assert!(numbers("7.2") <= numbers("7.2.0"));
        assert!(numbers("6.9.99") < numbers("7.2"));
    }
}
