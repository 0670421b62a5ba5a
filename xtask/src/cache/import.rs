//! Results that come from another cache, such as those of a pack.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Cache, CacheEntry, Parts, words};

/// Name of a result: its kind, and its name with its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryName {
    kind: String,
    entry: String,
}

impl EntryName {
    /// Returns the name that is written `KIND/NAME-KEY`; `None` if a cache cannot have a result
    /// with that name.
    pub fn parse(name: &str) -> Option<Self> {
        let (kind, entry) = name.split_once('/')?;
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.+".contains(letter);
        let is_entry = entry.chars().all(is_plain) && !entry.starts_with('.') && !entry.is_empty();
        (words::is_kind(kind) && is_entry).then(|| Self {
            kind: kind.to_owned(),
            entry: entry.to_owned(),
        })
    }

    /// Returns the kind, which is the name of a folder in the cache.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the name with the key.
    pub fn entry(&self) -> &str {
        &self.entry
    }

    /// Returns the path in the cache folder.
    pub fn path(&self) -> PathBuf {
        Path::new(&self.kind).join(&self.entry)
    }
}

impl std::fmt::Display for EntryName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.entry)
    }
}

impl Cache {
    /// Returns the name and the path of the result that has the file or folder `path` in it;
    /// `None` if no result of this cache has.
    pub fn entry_of(&self, path: &Path) -> Option<(EntryName, PathBuf)> {
        self.roots().find_map(|root| {
            let mut names = path.strip_prefix(root).ok()?.iter();
            let (kind, entry) = (names.next()?.to_str()?, names.next()?.to_str()?);
            let name = EntryName::parse(&format!("{kind}/{entry}"))?;
            let path = root.join(name.path());
            Some((name, path))
        })
    }

    /// Returns the result with this name, which `make` makes if the cache does not have it or has it
    /// damaged, as [`Cache::entry`] does.
    ///
    /// # Errors
    ///
    /// Fails as [`Cache::entry`] does.
    pub fn import(
        &self,
        name: &EntryName,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<CacheEntry> {
        for root in self.roots() {
            let path = root.join(name.path());
            if self.is_usable(&path, Parts::All, None)? {
                return Ok(CacheEntry { path, cached: true });
            }
        }
        self.make(self.root().join(name.path()), Parts::All, make)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_folder() {
        let name = EntryName::parse("kernels/6.12.117-e30b4d72c193");
        assert_eq!(
            name.map(|name| name.path()),
            Some(PathBuf::from("kernels/6.12.117-e30b4d72c193"))
        );
        for bad in [
            "kernels",
            "kernels/",
            "kernels/..",
            "kernels/.hidden",
            "kernels/a/b",
            "../kernels/a",
            "locks/a",
            "/etc/passwd",
        ] {
            assert_eq!(EntryName::parse(bad), None, "{bad}");
        }
    }
}
