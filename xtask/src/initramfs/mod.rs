//! The guest's files as newc archives, the same bytes for the same contents.
//!
//! The kernel unpacks archives that stand one behind another as one, later
//! files over earlier ones (Documentation/driver-api/early-userspace/
//! buffer-format.rst): a base with busybox and init is kept in the cache, and
//! each guest gets a small overlay behind it.

mod archive;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::key::{Inputs, files_below};
use crate::process::Tool;
use crate::session::Session;
use crate::toolchain::Toolchain;

pub use archive::Archive;

/// The recipe's number; a change of what the base holds changes it.
const KIND: &str = "initramfs 1";

/// The base that every guest starts from.
#[derive(Debug, Clone)]
pub struct Initramfs {
    /// The archive.
    pub path: PathBuf,
    /// True if it was in the cache.
    pub cached: bool,
}

/// A file to add to a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestFile {
    /// Its absolute path in the guest.
    pub path: String,
    /// Its permission bits.
    pub mode: u32,
    /// What is in it.
    pub contents: Vec<u8>,
}

impl GuestFile {
    /// A file of kmodlab's own, in the folder that the base has for them.
    pub fn own(name: &str, contents: impl Into<Vec<u8>>) -> Self {
        Self {
            path: format!("/kmodlab/{name}"),
            mode: 0o644,
            contents: contents.into(),
        }
    }
}

impl Initramfs {
    /// Packs the base from busybox, the files of `initramfs/`, and `more`.
    pub fn pack(session: &Session, toolchain: &Toolchain, more: &[GuestFile]) -> Result<Self> {
        let stage = session.ui.stage("initramfs");
        let files = session.workspace.initramfs();
        let mut inputs = Inputs::new(KIND);
        inputs.file("busybox", &toolchain.busybox)?;
        inputs.tree("files", &files)?;
        for file in more {
            inputs.bytes(&file.path, &file.contents);
        }
        let key = inputs.key();
        let entry = session.cache.entry("initramfs", "base", &key, |staging| {
            stage.begin("packing busybox and init", 0);
            let mut bytes = base(&toolchain.busybox, &files)?;
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
    pub fn with(&self, overlay: &[GuestFile], path: &Path) -> Result<()> {
        let mut bytes = std::fs::read(&self.path)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        bytes.extend(Archive::of(overlay)?);
        std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The bytes of the base: folders, device nodes, busybox with a link for each
/// of its applets, and all of `files`.
fn base(busybox: &Path, files: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive::new();
    for folder in [
        "bin", "sbin", "usr/bin", "usr/sbin", "dev", "etc", "proc", "root", "sys", "tmp",
    ] {
        archive.folder(folder)?;
    }
    // The kernel opens /dev/console for init before init can mount anything.
    archive.character_device("dev/console", 0o600, 5, 1)?;
    archive.character_device("dev/null", 0o666, 1, 3)?;
    let contents =
        std::fs::read(busybox).with_context(|| format!("cannot read {}", busybox.display()))?;
    archive.file("bin/busybox", 0o755, &contents)?;
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
        archive.link(applet, "/bin/busybox")?;
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
