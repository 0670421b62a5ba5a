//! The files of the fw_cfg device, which brings documents into a guest that has booted already
//! (see [`kmodlab_protocol::firmware`]).

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use kmodlab_protocol::{Assignment, RunOptions, encode, firmware};

/// An assignment as the device holds it.
///
/// It is compressed: for a guest, a byte of the device costs more than to decompress one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedAssignment(Vec<u8>);

impl PackedAssignment {
    /// Packs an assignment; `None` if the device has no room for it.
    ///
    /// # Errors
    ///
    /// If it cannot be encoded.
    pub fn new(assignment: &Assignment) -> Result<Option<Self>> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&encode(assignment)?)?;
        let bytes = encoder.finish().context("cannot compress an assignment")?;
        Ok((bytes.len() <= firmware::MOST_ASSIGNMENT_BYTES).then_some(Self(bytes)))
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The device's files in a folder of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareFiles {
    folder: PathBuf,
}

impl FirmwareFiles {
    /// Returns the files in a folder that nothing reads yet.
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Writes empty files into `folder`, for a guest that boots and is saved.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn empty(folder: &Path) -> Result<Self> {
        Self::write(folder, &[], &[])
    }

    /// Writes files with an assignment and the options of a run into `folder`; without an
    /// assignment for a guest that has its assignment already.
    ///
    /// # Errors
    ///
    /// If a file cannot be written, or the options are too long.
    pub fn new(
        folder: &Path,
        assignment: Option<&PackedAssignment>,
        options: &RunOptions,
    ) -> Result<Self> {
        let assignment = assignment.map_or(&[][..], PackedAssignment::bytes);
        Self::write(folder, assignment, &encode(options)?)
    }

    fn write(folder: &Path, assignment: &[u8], options: &[u8]) -> Result<Self> {
        let files = firmware::files(assignment, options)
            .context("the options of a run are too long for the guest's device")?;
        for firmware::File { name, contents } in files {
            let path = folder.join(name);
            std::fs::write(&path, contents)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Self::at(folder))
    }

    /// Returns each file's name in the device and its path on the host.
    pub fn files(&self) -> impl Iterator<Item = (String, PathBuf)> {
        firmware::names().map(|name| (firmware::File::device_name(&name), self.folder.join(name)))
    }
}

#[cfg(test)]
mod tests {
    use kmodlab_protocol::{Commands, GuestFile, Setting, Tag};

    use super::*;

    fn assignment(contents: Vec<u8>) -> Assignment {
        Assignment {
            tag: Tag::BOOT,
            commands: Commands::Given(Vec::new()),
            limit_seconds: 1,
            files: vec![GuestFile::own("x", contents)],
            finds_leaks: false,
            traces: false,
            snapshot: false,
        }
    }

    /// Returns bytes that cannot be compressed.
    fn random(count: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(1);
        (0..count).map(|_| random.u8(..)).collect()
    }

    #[test]
    fn an_assignment_that_is_too_long_is_refused() -> Result<()> {
        let most = firmware::MOST_ASSIGNMENT_BYTES;
        assert!(PackedAssignment::new(&assignment(random(most)))?.is_none());
        assert!(PackedAssignment::new(&assignment(vec![0; most]))?.is_some());
        Ok(())
    }

    #[test]
    fn options_that_are_too_long_are_an_error() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let options = |length| RunOptions {
            setting: Some(Setting {
                module: "m".to_owned(),
                parameter: "p".to_owned(),
                value: "x".repeat(length),
            }),
            reports_trace: false,
        };
        assert!(FirmwareFiles::new(folder.path(), None, &options(4096)).is_ok());
        assert!(FirmwareFiles::new(folder.path(), None, &options(8192)).is_err());
        Ok(())
    }
}
