//! Content keys: what a cached result is made from.
//!
//! A key is a hash over everything that goes into a result: file contents,
//! versions, options. Time stamps and folder names are not among them, so two
//! clones share what they have in common.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The name of a set of inputs; equal inputs have equal keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// Twelve hexadecimal digits: enough that no two of a user's results ever
    /// meet, short enough to read in a path.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }

    /// The key of these 64 hexadecimal digits, if that is what they are.
    pub fn of(digits: &str) -> Option<Self> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (digits.len() == 64 && digits.bytes().all(digit)).then(|| Self(digits.to_owned()))
    }

    /// All 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// Collects inputs, each under a label, into a [`Key`].
#[derive(Clone)]
pub struct Inputs(blake3::Hasher);

impl Inputs {
    /// Starts a key for results of this `kind`. Change the kind's number
    /// (`"kernel 2"`) when the recipe itself changes.
    pub fn new(kind: &str) -> Self {
        let mut inputs = Self(blake3::Hasher::new());
        inputs.bytes("kind", kind.as_bytes());
        inputs
    }

    /// Adds raw bytes. Lengths are hashed too, so inputs cannot run together.
    pub fn bytes(&mut self, label: &str, bytes: &[u8]) -> &mut Self {
        self.0.update(&(label.len() as u64).to_le_bytes());
        self.0.update(label.as_bytes());
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a piece of text: a version, an option, another key.
    pub fn text(&mut self, label: &str, text: impl AsRef<str>) -> &mut Self {
        self.bytes(label, text.as_ref().as_bytes())
    }

    /// Adds the contents of one file; its path is not an input, `label` is.
    pub fn file(&mut self, label: &str, path: &Path) -> Result<&mut Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(self.bytes(label, &bytes))
    }

    /// Adds every file below `folder`: names relative to it, whether each may
    /// be executed, and contents; in the order of names.
    pub fn tree(&mut self, label: &str, folder: &Path) -> Result<&mut Self> {
        for path in files_below(folder)? {
            let relative = path.strip_prefix(folder).unwrap_or(&path);
            let name = format!("{label}/{}", relative.display());
            let metadata = std::fs::symlink_metadata(&path)
                .with_context(|| format!("cannot look at {}", path.display()))?;
            if metadata.is_symlink() {
                let target = std::fs::read_link(&path)
                    .with_context(|| format!("cannot read the link {}", path.display()))?;
                self.text(&format!("{name} ->"), target.to_string_lossy());
            } else {
                use std::os::unix::fs::PermissionsExt as _;
                let executable = metadata.permissions().mode() & 0o111 != 0;
                let kind = if executable { "x" } else { "" };
                self.file(&format!("{name}{kind}"), &path)?;
            }
        }
        Ok(self)
    }

    /// The key of all that was added.
    pub fn key(&self) -> Key {
        Key(self.0.finalize().to_hex().to_string())
    }
}

/// Every file and link below `folder`, sorted by path.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_do_not_run_together() {
        let one = Inputs::new("t").text("a", "bc").key();
        let two = Inputs::new("t").text("ab", "c").key();
        assert_ne!(one, two);
    }

    #[test]
    fn a_tree_is_its_contents_not_its_place_or_time() -> Result<()> {
        let make = |content: &str| -> Result<(tempfile::TempDir, Key)> {
            let folder = tempfile::tempdir()?;
            std::fs::create_dir(folder.path().join("d"))?;
            std::fs::write(folder.path().join("d/f"), content)?;
            let key = Inputs::new("t").tree("tree", folder.path())?.key();
            Ok((folder, key))
        };
        let (_one, first) = make("x")?;
        let (_two, second) = make("x")?;
        let (_three, third) = make("y")?;
        assert_eq!(first, second);
        assert_ne!(first, third);
        Ok(())
    }
}
