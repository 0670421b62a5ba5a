//! Content keys of cached results.
//!
//! A key is a hash of everything that influences a result: contents of files, versions, options.
//! Times and folder names do not influence a result, so two clones share equal results.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A hash of a set of inputs; equal inputs have equal keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// Returns the first twelve hexadecimal digits: enough to keep a user's results apart, and
    /// short enough to read in a path.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }

    /// Returns the key with these 64 lower-case hexadecimal digits; `None` if `digits` are not
    /// that.
    pub fn of(digits: &str) -> Option<Self> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (digits.len() == 64 && digits.bytes().all(digit)).then(|| Self(digits.to_owned()))
    }

    /// Returns all 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// A collection of inputs, each under a label, for a [`Key`].
#[derive(Clone)]
pub struct Inputs(blake3::Hasher);

impl Inputs {
    /// Begins the inputs of a result of this `kind`. Change the number in the kind (`"kernel 2"`)
    /// when the recipe itself changes.
    pub fn new(kind: &str) -> Self {
        let mut inputs = Self(blake3::Hasher::new());
        inputs.bytes("kind", kind.as_bytes());
        inputs
    }

    /// Adds bytes. Their length is hashed too, so that two inputs cannot be taken for one.
    pub fn bytes(&mut self, label: &str, bytes: &[u8]) -> &mut Self {
        self.0.update(&(label.len() as u64).to_le_bytes());
        self.0.update(label.as_bytes());
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds text, such as a version, an option or another key.
    pub fn text(&mut self, label: &str, text: impl AsRef<str>) -> &mut Self {
        self.bytes(label, text.as_ref().as_bytes())
    }

    /// Adds the contents of one file. The label is an input, the file's path is not.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn file(&mut self, label: &str, path: &Path) -> Result<&mut Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(self.bytes(label, &bytes))
    }

    /// Adds every file below `folder`, in the order of their names: its name relative to `folder`,
    /// whether it is executable, and its contents. Of a symbolic link, adds the target's name.
    ///
    /// # Errors
    ///
    /// Fails if a folder cannot be listed or a file cannot be read.
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

    /// Returns the key of all inputs so far.
    pub fn key(&self) -> Key {
        Key(self.0.finalize().to_hex().to_string())
    }
}

/// Returns every file and symbolic link below `folder`, sorted by path.
///
/// # Errors
///
/// Fails if a folder cannot be listed.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = files_in(folder)?;
    files.sort();
    Ok(files)
}

/// Returns every file and symbolic link below `folder` in any order, which for a large tree takes
/// half the time.
///
/// # Errors
///
/// Fails if a folder cannot be listed.
pub fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
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
    fn the_path_and_the_times_of_a_tree_are_no_inputs() -> Result<()> {
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
