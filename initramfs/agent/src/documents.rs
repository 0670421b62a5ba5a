//! The documents that the host gives a guest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

use anyhow::{Context as _, Result};
use flate2::read::DeflateDecoder;
use kmodlab_protocol::{
    ASSIGNMENT_FILE, Assignment, GuestFile, RunOptions, SingleRun, decode, firmware,
};

use crate::guest::Guest;
use crate::mounts;

/// The place that a guest's documents come from.
pub enum Source {
    /// The initramfs of a guest that boots for one run.
    Initramfs(SingleRun),
    /// QEMU's fw_cfg device, in a guest that becomes a snapshot.
    Firmware(Firmware),
}

/// Returns the place that this guest's documents come from; `None` if the guest is
/// interactive.
pub fn source(guest: &Guest) -> Result<Option<Source>> {
    let file = guest.path(ASSIGNMENT_FILE);
    if let Ok(bytes) = std::fs::read(&file) {
        // A lesson cannot read the tag of the agent's messages, or its later commands.
        std::fs::remove_file(file).context("cannot remove the assignment")?;
        return Ok(Some(Source::Initramfs(decode(&bytes)?)));
    }
    if !guest.has(firmware::FOLDER) {
        return Ok(None);
    }
    Firmware::open(guest).map(Source::Firmware).map(Some)
}

/// The open files of the fw_cfg device.
pub struct Firmware {
    files: BTreeMap<String, File>,
}

impl Firmware {
    /// Opens the device's files, and hides them from the guest: a lesson could read there the tag
    /// of the agent's messages, and its later commands.
    fn open(guest: &Guest) -> Result<Self> {
        let open = |name: String| {
            let path = format!("{}/{name}/raw", firmware::FOLDER);
            let file = File::open(guest.path(&path));
            Ok((name, file.with_context(|| format!("cannot open {path}"))?))
        };
        let files = firmware::names().map(open).collect::<Result<_>>()?;
        mounts::hide(guest, firmware::HIDDEN_FOLDER)?;
        Ok(Self { files })
    }

    /// Reads the assignment.
    pub fn assignment(&self) -> Result<Assignment> {
        let compressed = firmware::assignment(|name| self.read(name))?;
        let mut bytes = Vec::new();
        // Padding follows the compressed bytes.
        DeflateDecoder::new(&*compressed)
            .read_to_end(&mut bytes)
            .context("cannot decompress the assignment")?;
        Ok(decode(&bytes)?)
    }

    /// Reads the run options.
    pub fn options(&self) -> Result<RunOptions> {
        let options = firmware::options(|name| self.read(name))?;
        Ok(decode(&options)?)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let file = self.files.get(name);
        let mut file = file.with_context(|| format!("fw_cfg has no file {name}"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .with_context(|| format!("cannot read {name} of fw_cfg"))?;
        Ok(bytes)
    }
}

/// Writes the files of an assignment.
pub fn unpack(guest: &Guest, files: &[GuestFile]) -> Result<()> {
    for GuestFile {
        path,
        mode,
        contents,
    } in files
    {
        let target = guest.path(path);
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {path}"))?;
        }
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(*mode);
        options
            .open(&target)
            .and_then(|mut file| {
                use std::io::Write as _;
                file.set_permissions(std::fs::Permissions::from_mode(*mode))?;
                file.write_all(contents)
            })
            .with_context(|| format!("cannot write {path}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_get_their_folders_and_permissions() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let guest = Guest::new(folder.path());
        let file = |mode, contents: &[u8]| GuestFile {
            path: "/root/a/x".to_owned(),
            mode,
            contents: contents.to_vec(),
        };
        unpack(&guest, &[file(0o600, b"longer")])?;
        unpack(&guest, &[file(0o755, b"new")])?;
        let path = folder.path().join("root/a/x");
        assert_eq!(std::fs::read(&path)?, b"new");
        assert_eq!(
            std::fs::metadata(&path)?.permissions().mode() & 0o777,
            0o755
        );
        Ok(())
    }

    #[test]
    fn an_assignment_in_the_initramfs_is_read_once() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let guest = Guest::new(folder.path());
        assert!(source(&guest)?.is_none());
        std::fs::create_dir(folder.path().join("kmodlab"))?;
        let run = SingleRun {
            assignment: Assignment {
                tag: kmodlab_protocol::Tag::BOOT,
                commands: kmodlab_protocol::Commands::Typed(3),
                limit_seconds: 1,
                files: Vec::new(),
                finds_leaks: false,
                traces: false,
                snapshot: false,
            },
            options: RunOptions::default(),
        };
        std::fs::write(guest.path(ASSIGNMENT_FILE), kmodlab_protocol::encode(&run)?)?;
        assert!(matches!(source(&guest)?, Some(Source::Initramfs(read)) if read == run));
        assert!(source(&guest)?.is_none());
        Ok(())
    }
}
