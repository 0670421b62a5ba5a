//! The guest's files as newc archives, with the same bytes for the same contents.
//!
//! The kernel unpacks concatenated archives as one, later files over earlier ones
//! (Documentation/driver-api/early-userspace/buffer-format.rst): a base with busybox and the
//! agent is in the cache, and each guest that boots gets a small overlay behind it.

pub mod agent;
mod archive;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use kmodlab_protocol::INSMOD;
use memchr::memmem;

use crate::key::{Inputs, files_below};
use crate::process::Tool;
use crate::session::Session;

pub use archive::Archive;
pub use kmodlab_protocol::GuestFile;

/// The version of this recipe; a change of the base's contents changes it.
const KIND: &str = "initramfs 3";

/// The versions of the recipes of the base and of the agent in it.
pub const KINDS: [&str; 2] = [KIND, agent::KIND];

/// The folders of the base, relative to the guest's root folder.
pub const FOLDERS: [&str; 10] = [
    "bin", "sbin", "usr/bin", "usr/sbin", "dev", "etc", "proc", "root", "sys", "tmp",
];

/// The base of every guest's root folder.
#[derive(Debug, Clone)]
pub struct Initramfs {
    /// The archive.
    pub path: PathBuf,
    /// Whether it was in the cache.
    pub cached: bool,
}

impl Initramfs {
    /// Packs the base from busybox, the agent, the files of `initramfs/root`, and `more`.
    ///
    /// # Errors
    ///
    /// If the agent does not compile, or a file cannot be read or written.
    pub fn pack(session: &Session, busybox: &Path, more: &[GuestFile]) -> Result<Self> {
        let stage = session.ui.stage("initramfs");
        let files = session.workspace.initramfs().join("root");
        let agent = agent::build(session)?;
        let mut inputs = Inputs::new(KIND);
        inputs.file("busybox", busybox)?;
        inputs.file("agent", &agent)?;
        inputs.tree("files", &files)?;
        for file in more {
            inputs.bytes(&file.path, &file.contents);
        }
        let key = inputs.key();
        let entry = session.cache.entry("initramfs", "base", &key, |staging| {
            stage.begin("packing busybox and the agent", 0);
            let mut bytes = base(busybox, &agent, &files)?;
            bytes.extend(Archive::of(more)?);
            std::fs::write(staging, bytes)
                .with_context(|| format!("cannot write {}", staging.display()))
        })?;
        let bytes = std::fs::metadata(&entry.path)?.len();
        stage.done(entry.cached, crate::ui::size(bytes));
        Ok(Self {
            path: entry.path,
            cached: entry.cached,
        })
    }

    /// Writes the base with `overlay` behind it to `path`, for one guest.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written.
    pub fn with(&self, overlay: &[GuestFile], path: &Path) -> Result<()> {
        let mut bytes = std::fs::read(&self.path)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        bytes.extend(Archive::of(overlay)?);
        std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Returns busybox under whose name list `insmod` is not any more.
///
/// Its shell prefers its own programs to files, and its `insmod` runs an `init` that fails twice: it
/// passes the module to the kernel a second time in another way. The name appears once between
/// zeros, in a sorted list, whose order stays. A busybox in which that is not so stays as it is.
fn without_insmod(mut busybox: Vec<u8>) -> Vec<u8> {
    const NAME: &[u8] = b"\0insmod\0";
    const OTHER: &[u8] = b"\0insmo_\0";
    let found: Vec<usize> = memmem::find_iter(&busybox, NAME).take(2).collect();
    if let [at] = found[..] {
        busybox[at..at + OTHER.len()].copy_from_slice(OTHER);
    }
    busybox
}

/// Returns the bytes of the base: folders, device nodes, busybox with a link for each of its
/// applets, the agent with one for `insmod`, and all of `files`.
fn base(busybox: &Path, agent: &Path, files: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive::new();
    for folder in FOLDERS {
        archive.folder(folder)?;
    }
    // The kernel opens /dev/console for init before init can mount anything.
    archive.character_device("dev/console", 0o600, 5, 1)?;
    archive.character_device("dev/null", 0o666, 1, 3)?;
    let contents =
        std::fs::read(busybox).with_context(|| format!("cannot read {}", busybox.display()))?;
    archive.file("bin/busybox", 0o755, &without_insmod(contents))?;
    let contents =
        std::fs::read(agent).with_context(|| format!("cannot read {}", agent.display()))?;
    archive.file("init", 0o755, &contents)?;
    let applets = Tool::new(busybox).arg("--list-full").output()?;
    ensure!(
        applets
            .lines()
            .any(|applet| applet.ends_with("/insmod") || applet == "insmod"),
        "{} has no insmod; the package busybox-static has one",
        busybox.display()
    );
    for applet in applets.lines().map(str::trim) {
        if applet.ends_with("bin/busybox") || applet.is_empty() {
            continue;
        }
        // busybox's own would run an `init` that fails twice.
        let is_insmod = applet.rsplit('/').next() == Some(INSMOD);
        let target = if is_insmod { "/init" } else { "/bin/busybox" };
        archive.link(applet, target)?;
    }
    for path in files_below(files)? {
        use std::os::unix::fs::PermissionsExt as _;
        let name = path.strip_prefix(files)?.to_string_lossy().into_owned();
        let executable = std::fs::metadata(&path)?.permissions().mode() & 0o100 != 0;
        let contents =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        archive.file(&name, if executable { 0o755 } else { 0o644 }, &contents)?;
    }
    archive.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busybox_loses_the_name_of_a_program_once() {
        let list = b"x\0inotifyd\0insmod\0install\0insmod: %s".to_vec();
        let expected = b"x\0inotifyd\0insmo_\0install\0insmod: %s".to_vec();
        assert_eq!(without_insmod(list), expected);
        let twice = b"\0insmod\0a\0insmod\0".to_vec();
        assert_eq!(without_insmod(twice.clone()), twice);
    }
}
