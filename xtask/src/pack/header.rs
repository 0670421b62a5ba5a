//! The header of a pack: what is in it, and the hosts that can use it.
//!
//! ```text
//! kmodlab pack FORMAT HASH-OF-THE-REST
//! JSON
//! ```

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::kernel::source::apt::SourcePackage;
use crate::key::{Inputs, Key, files_below};
use crate::workspace::Workspace;
use crate::{initramfs, kernel, modules};

/// Number of the format of packs that this kmodlab writes and reads.
pub const PACK_FORMAT: u32 = 1;

/// First words of a header.
const HEAD: &str = "kmodlab pack ";

/// Parts of the clone that decide the keys of what a pack has. Lessons are not among them: a
/// changed one is compiled again.
const PARTS: [&str; 7] = [
    "Cargo.lock",
    "Cargo.toml",
    "initramfs",
    "kernel-config",
    "modules/Kbuild",
    "modules/kernel_ext",
    "xtask/protocol",
];

/// The header of a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackHeader {
    /// The host and the kmodlab that made the pack, and the kernel.
    pub origin: PackOrigin,
    /// The program and the cache entries, in the order of the members.
    pub members: Vec<PackedMember>,
}

/// The host and the kmodlab that made a pack, and the kernel in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackOrigin {
    /// Version of the kmodlab that made the pack.
    pub version: String,
    /// [`recipe`] of the kmodlab that made the pack.
    pub recipe: String,
    /// The tools of the host that made the pack.
    pub tools: PackedTools,
    /// The kernel.
    pub kernel: PackedKernel,
    /// Compiler of the guest's agent.
    pub agent: String,
}

/// The tools on which the keys of the entries depend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackedTools {
    /// Distribution and its version.
    pub release: String,
    /// Versions of the system's compilers.
    pub system: Vec<String>,
    /// Identity of the whole toolchain.
    pub identity: String,
}

/// The kernel in a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackedKernel {
    /// Name in `kernels.toml`.
    pub name: String,
    /// Version and profile.
    pub label: String,
    /// Name of the default kernel, if this one is in the pack instead of that one.
    pub instead_of: Option<String>,
    /// Words that select the kernel on a command line; empty for the default one.
    pub arguments: Vec<String>,
    /// The Debian package with its source, if it has one.
    pub package: Option<SourcePackage>,
}

/// A member of a pack besides the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackedMember {
    /// Name: that of the program, or `KIND/NAME-KEY` of a cache entry.
    pub name: String,
    /// True if the entry is a folder.
    pub folder: bool,
    /// Size of the member's contents in bytes.
    pub size: u64,
    /// Hash (BLAKE3) of the member's contents.
    pub hash: String,
}

impl PackHeader {
    /// Returns the text of the header.
    ///
    /// # Errors
    ///
    /// Fails if a value cannot be written as JSON.
    pub fn text(&self) -> Result<String> {
        let rest = serde_json::to_string_pretty(self)? + "\n";
        let hash = blake3::hash(rest.as_bytes()).to_hex();
        Ok(format!("{HEAD}{PACK_FORMAT} {hash}\n{rest}"))
    }

    /// Reads the text of a header.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a header, if it is one of another format, and if it was changed;
    /// the error is a clause with the remedy.
    pub fn parse(text: &str) -> Result<Self, String> {
        const NOT_A_PACK: &str = "is not a pack of kmodlab; `pack` makes one";
        let (first, rest) = text.split_once('\n').ok_or(NOT_A_PACK)?;
        let mut words = first.strip_prefix(HEAD).ok_or(NOT_A_PACK)?.split(' ');
        let format = words.next().unwrap_or_default();
        if format != PACK_FORMAT.to_string() {
            return Err(format!(
                "has the format {format}, and this kmodlab reads format {PACK_FORMAT}: use the \
                 kmodlab in the pack (`tar -xf PACK kmodlab`), or make the pack with this version"
            ));
        }
        if words.next() != Some(&blake3::hash(rest.as_bytes()).to_hex()) {
            return Err(altered("its header"));
        }
        serde_json::from_str(rest).map_err(|error| {
            format!("has a header that this kmodlab cannot read ({error}): make the pack anew")
        })
    }
}

/// Returns the clause for a pack of which `part` is not as it was made.
pub(super) fn altered(part: &str) -> String {
    format!("was altered: {part} is not as it was made; copy the pack from its origin again")
}

/// Returns the key of everything in a clone and in this program that decides the keys of entries.
///
/// # Errors
///
/// Fails if a file of the clone cannot be read.
pub fn recipe(workspace: &Workspace) -> Result<Key> {
    let mut inputs = Inputs::new("pack recipe 1");
    inputs.text("version", env!("CARGO_PKG_VERSION"));
    for kind in [kernel::KIND, modules::KIND]
        .into_iter()
        .chain(initramfs::KINDS)
    {
        inputs.text("recipe", kind);
    }
    for part in PARTS {
        let path = workspace.root().join(part);
        let files = match path.is_dir() {
            true => files_below(&path)?,
            false => vec![path],
        };
        for file in files {
            let name = file.strip_prefix(workspace.root())?;
            let text = name.to_str().context("a file's name is not text")?;
            // An installed program does not have these.
            let is_left_out = |folder: &str| folder.starts_with('.') || folder == "target";
            if !text.split('/').any(is_left_out) {
                inputs.file(text, &file)?;
            }
        }
    }
    Ok(inputs.key())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns a header with these members.
    pub(in crate::pack) fn header(members: Vec<PackedMember>) -> PackHeader {
        let origin = PackOrigin {
            version: "0.1.0".to_owned(),
            recipe: "r".to_owned(),
            tools: PackedTools {
                release: "debian 12".to_owned(),
                system: vec!["clang version 19.1.7".to_owned()],
                identity: "rustc 1.85.0".to_owned(),
            },
            kernel: PackedKernel {
                name: "6.12".to_owned(),
                label: "6.12.117".to_owned(),
                instead_of: None,
                arguments: Vec::new(),
                package: None,
            },
            agent: "cargo 1.95.0".to_owned(),
        };
        PackHeader { origin, members }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() -> Result<()> {
        let header = header(Vec::new());
        assert_eq!(PackHeader::parse(&header.text()?), Ok(header));
        Ok(())
    }

    #[test]
    fn a_changed_header_is_refused() -> Result<()> {
        let text = header(Vec::new()).text()?;
        let error = |text: &str| PackHeader::parse(text).err().unwrap_or_default();
        assert!(error(&text.replace("debian 12", "debian 13")).contains("altered: its header"));
        assert!(error(&text.replace("pack 1", "pack 2")).contains("has the format 2"));
        assert!(error("kmodlab").contains("not a pack"));
        assert!(error("PK\n").contains("not a pack"));
        Ok(())
    }

    #[test]
    fn the_recipe_is_that_of_the_files() -> Result<()> {
        let workspace = Workspace::find()?;
        assert_eq!(recipe(&workspace)?, recipe(&workspace)?);
        let copy = tempfile::tempdir()?;
        for part in PARTS {
            let to = copy.path().join(part);
            std::fs::create_dir_all(to.parent().context("a folder")?)?;
            match workspace.root().join(part).is_dir() {
                true => std::fs::create_dir(&to)?,
                false => std::fs::write(&to, "")?,
            }
        }
        let other = Workspace::at(copy.path())?;
        let before = recipe(&other)?;
        std::fs::write(copy.path().join("kernel-config/.swap"), "x")?;
        assert_eq!(recipe(&other)?, before);
        std::fs::write(copy.path().join("kernel-config/x.config"), "CONFIG_X=y")?;
        assert_ne!(recipe(&other)?, before);
        Ok(())
    }
}
