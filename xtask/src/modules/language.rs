//! The two languages of a lesson's modules.

use std::fmt;
use std::path::{Path, PathBuf};

/// The language of a module's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// `NAME.rs`, linked with `kernel_ext`.
    Rust,
    /// `c/NAME.c`, the C twin: a module with the same name and the same behaviour.
    C,
}

impl Language {
    /// Returns the name that options, reports and `modules/Kbuild` use.
    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::C => "c",
        }
    }

    /// Returns the name for use in a sentence.
    pub fn title(self) -> &'static str {
        match self {
            Language::Rust => "Rust",
            Language::C => "C",
        }
    }

    /// Returns the main source file of the lesson `name`, relative to the lesson's folder.
    pub fn source(self, name: &str) -> PathBuf {
        match self {
            Language::Rust => PathBuf::from(format!("{name}.rs")),
            Language::C => Path::new("c").join(format!("{name}.c")),
        }
    }

    /// Returns the extension of the main source file.
    pub fn extension(self) -> &'static str {
        match self {
            Language::Rust => "rs",
            Language::C => "c",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
