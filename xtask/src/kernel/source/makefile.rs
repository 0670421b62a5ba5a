//! The version of a kernel tree, in its Makefile.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};

use crate::kernel::version::{Series, Version};

/// Files at the top of every kernel tree, by which one is recognised.
pub const LANDMARKS: [&str; 3] = ["Makefile", "Kbuild", "Kconfig"];

/// The version of a tree: 6.7.3, 6.12.117, 6.7.0-rc1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeVersion {
    /// VERSION, PATCHLEVEL and SUBLEVEL.
    pub version: Version,
    /// EXTRAVERSION, which is usually empty.
    pub extra: String,
}

impl TreeVersion {
    /// Returns the version of the kernel tree at `tree`.
    ///
    /// # Errors
    ///
    /// Fails if `tree` is not a kernel tree; the error names a missing file or variable.
    pub fn of(tree: &Path) -> Result<Self> {
        for landmark in LANDMARKS {
            if !tree.join(landmark).is_file() {
                return Err(anyhow!("it does not have a file {landmark}"));
            }
        }
        let path = tree.join("Makefile");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text)
    }

    /// Returns the version in the text of a kernel's top Makefile.
    ///
    /// # Errors
    ///
    /// Fails if VERSION, PATCHLEVEL or SUBLEVEL is missing.
    pub fn parse(makefile: &str) -> Result<Self> {
        let field = |name: &str| {
            makefile.lines().take(20).find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key.trim() == name).then(|| value.trim())
            })
        };
        let number = |name: &str| {
            field(name)
                .and_then(|value| value.parse::<u32>().ok())
                .ok_or_else(|| anyhow!("its Makefile does not begin with {name} = a number"))
        };
        Ok(Self {
            version: Version {
                series: Series {
                    version: number("VERSION")?,
                    patchlevel: number("PATCHLEVEL")?,
                },
                sublevel: number("SUBLEVEL")?,
            },
            extra: field("EXTRAVERSION").unwrap_or_default().to_owned(),
        })
    }

    /// Parses the output of [`Display`](fmt::Display).
    ///
    /// # Errors
    ///
    /// Fails if `text` does not begin with a version.
    pub fn from_display(text: &str) -> Result<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (version, extra) = text.split_at(end.unwrap_or(text.len()));
        Ok(Self {
            version: version.parse()?,
            extra: extra.to_owned(),
        })
    }
}

impl fmt::Display for TreeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.version, self.extra)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read() -> Result<()> {
        let makefile = "# SPDX\nVERSION = 6\nPATCHLEVEL = 7\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n";
        let version = TreeVersion::parse(makefile)?;
        assert_eq!(version.to_string(), "6.7.0-rc1");
        assert_eq!(TreeVersion::from_display("6.7.0-rc1")?, version);
        let error = TreeVersion::parse("all:\n\techo\n").expect_err("no version");
        assert!(error.to_string().contains("VERSION"));
        Ok(())
    }
}
