//! The two languages that a lesson's module is written in.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::failure::Failure;
use crate::key::files_below;

/// The language of a module's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// `NAME.rs`, linked with `kernel_ext`.
    Rust,
    /// The twin, `c/NAME.c`: a module of the same name that does the same.
    C,
}

impl Language {
    /// As options, reports and `modules/Kbuild` spell it.
    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::C => "c",
        }
    }

    /// A sentence's word for it.
    pub fn title(self) -> &'static str {
        match self {
            Language::Rust => "Rust",
            Language::C => "C",
        }
    }

    /// The main source file of the lesson `name`, as a path in its folder.
    pub fn source(self, name: &str) -> PathBuf {
        match self {
            Language::Rust => PathBuf::from(format!("{name}.rs")),
            Language::C => Path::new("c").join(format!("{name}.c")),
        }
    }

    /// The files that the module of the lesson in `folder` is compiled from,
    /// sorted. A lesson's text is no input of its module.
    pub(super) fn sources(self, folder: &Path) -> Result<Vec<PathBuf>> {
        let (below, extensions): (_, &[&str]) = match self {
            Language::Rust => (folder.to_owned(), &["rs"]),
            Language::C => (folder.join("c"), &["c", "h"]),
        };
        let mut files = files_below(&below)?;
        files.retain(|path| {
            path.extension()
                .and_then(|extension| extension.to_str())
                .is_some_and(|extension| extensions.contains(&extension))
        });
        ensure!(
            !files.is_empty(),
            Failure::lesson(format!(
                "{} has no {} source",
                folder.display(),
                self.title()
            ))
        );
        Ok(files)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
