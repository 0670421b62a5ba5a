//! The device that brings a lesson into a guest that has booted already:
//! QEMU's fw_cfg (docs/specs/fw_cfg.rst).
//!
//! What it holds is not part of a saved guest and may be another for each that
//! goes on from there. The guest reads it byte by byte, each in the one
//! instruction that asks, so it comes at the same instruction in every run; a
//! disk would answer when the host has time.
//!
//! The guest's driver learns names and sizes when it boots, so these stay: a
//! few files, each padded to its size. It reads pages of 4 KiB, and passes over
//! all that lies before one, so many small files are faster than a large one.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::initramfs::{Archive, GuestFile};

/// Tells the driver where the device is, which it asks ACPI otherwise: twelve
/// ports from 0x510 on, with the selector, the data and DMA at these offsets
/// (drivers/firmware/qemu_fw_cfg.c).
pub const KERNEL_WORD: &str = "qemu_fw_cfg.ioport=12@0x510:0:1:4";

/// The device's folder of files, as QEMU's and the guest's names begin. The
/// guest finds it in `/sys/firmware/qemu_fw_cfg/by_name`.
const FOLDER: &str = "opt/kmodlab";

/// The file that says in how many of the parts an archive is.
const COUNT: &str = "count";

/// Its bytes: a number and line ends.
const COUNT_BYTES: usize = 4;

/// The file with what the guest's shell does right before a lesson: a script. It is no
/// part of the archive, since a guest takes another time to unpack another one.
const ORDER: &str = "order";

/// Its bytes.
const ORDER_BYTES: usize = 5120;

/// The script's last line: what fills the file up is not read.
const ORDER_ENDS: &str = "return\n";

/// Files that an archive is cut into. QEMU has room for about 20 of a user's.
const PARTS: usize = 16;

/// Bytes of each.
const PART_BYTES: usize = 8 << 10;

/// Files for the guest, as the device holds them: an archive in gzip's format,
/// cut into parts.
#[derive(Debug, Clone)]
pub struct LessonDevice {
    folder: PathBuf,
}

impl LessonDevice {
    /// The device as it is in a folder where nobody looks yet.
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The device with nothing in it, as a guest has it that is to be saved.
    /// Its files are made in `folder`.
    pub fn empty(folder: &Path) -> Result<Self> {
        Self::holding(folder, &[], "")
    }

    /// The device with an archive in it that [`packed`] has made, and a script that the
    /// guest's shell runs right before the lesson. The device's files are made in
    /// `folder`.
    pub fn holding(folder: &Path, archive: &[u8], order: &str) -> Result<Self> {
        let parts: Vec<&[u8]> = archive.chunks(PART_BYTES).collect();
        let count = parts.len().to_string();
        let order = order.to_owned() + ORDER_ENDS;
        let padded = |contents: &[u8], bytes: usize, with: u8| {
            let mut contents = contents.to_vec();
            contents.resize(bytes, with);
            contents
        };
        ensure!(
            order.len() <= ORDER_BYTES,
            "an order of {} bytes is too long",
            order.len()
        );
        let parts = (0..PARTS).map(|number| {
            let part = parts.get(number).copied().unwrap_or_default();
            padded(part, PART_BYTES, 0)
        });
        let contents = [
            padded(count.as_bytes(), COUNT_BYTES, b'\n'),
            padded(order.as_bytes(), ORDER_BYTES, b'\n'),
        ];
        for (name, contents) in names().zip(contents.into_iter().chain(parts)) {
            let path = folder.join(name);
            std::fs::write(&path, contents)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Self::at(folder))
    }

    /// Each file's name in the device and its path on the host.
    pub fn files(&self) -> impl Iterator<Item = (String, PathBuf)> {
        names().map(|name| (format!("{FOLDER}/{name}"), self.folder.join(name)))
    }
}

/// The names of the device's files, the parts last.
fn names() -> impl Iterator<Item = String> {
    let parts = (0..PARTS).map(|number| format!("part.{number:02}"));
    [COUNT, ORDER].map(str::to_owned).into_iter().chain(parts)
}

/// An archive of `files` for the device; `None` if it has no room there.
///
/// It is compressed: for a guest, a byte of the device costs more than the
/// decompression of one.
pub fn packed(files: &[GuestFile]) -> Result<Option<Vec<u8>>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&Archive::of(files)?)?;
    let archive = encoder.finish().context("cannot compress an archive")?;
    Ok((archive.len() <= PARTS * PART_BYTES).then_some(archive))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn file(contents: Vec<u8>) -> GuestFile {
        GuestFile {
            path: "/root/x".to_owned(),
            mode: 0o644,
            contents,
        }
    }

    /// Bytes that no compression makes fewer of.
    fn noise(count: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        (0..count).map(|_| next()).collect()
    }

    fn sizes(device: &LessonDevice) -> Result<Vec<(String, u64)>> {
        device
            .files()
            .map(|(name, path)| Ok((name, std::fs::metadata(path)?.len())))
            .collect()
    }

    #[test]
    fn names_and_sizes_are_the_same_whatever_is_in_it() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let empty = sizes(&LessonDevice::empty(folder.path())?)?;
        let archive = packed(&[file(noise(50_000))])?.context("it has room")?;
        let full = sizes(&LessonDevice::holding(folder.path(), &archive, "echo\n")?)?;
        assert_eq!(full, empty);
        assert_eq!(empty.len(), 2 + PARTS);
        Ok(())
    }

    #[test]
    fn the_counted_parts_are_the_archive() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let contents = noise(20_000);
        let archive = packed(&[file(contents.clone())])?.context("it has room")?;
        LessonDevice::holding(folder.path(), &archive, "")?;
        let count = std::fs::read_to_string(folder.path().join(COUNT))?;
        let mut bytes = Vec::new();
        for number in 0..count.trim_end().parse::<usize>()? {
            bytes.extend(std::fs::read(
                folder.path().join(format!("part.{number:02}")),
            )?);
        }
        let mut archive = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut archive)?;
        assert!(
            archive
                .windows(contents.len())
                .any(|window| window == contents)
        );
        Ok(())
    }

    #[test]
    fn an_order_is_there_as_it_is_unless_it_is_too_long() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let hold = |order: &str| LessonDevice::holding(folder.path(), &[], order);
        hold("echo 1\n")?;
        let text = std::fs::read_to_string(folder.path().join(ORDER))?;
        assert_eq!(text.trim_end(), "echo 1\nreturn");
        assert!(hold(&"#".repeat(ORDER_BYTES + 1)).is_err());
        Ok(())
    }

    #[test]
    fn what_has_no_room_is_told() -> Result<()> {
        let much = file(noise(PARTS * PART_BYTES + 1));
        assert!(packed(&[much])?.is_none());
        Ok(())
    }
}
