//! The documents in QEMU's fw_cfg device (docs/specs/fw_cfg.rst), which brings them into a
//! guest that has booted already.
//!
//! The device's contents are not part of a snapshot and may differ for each guest that resumes
//! from it. The guest reads each byte in one instruction, so a byte comes at the same
//! instruction in every run; a disk would answer when the host has time.
//!
//! The guest's driver learns names and sizes when it boots, so these stay: a few files, each
//! padded to its size. The driver reads 4 KiB at a time, and passes over all bytes that lie
//! before these, and therefore several small files are faster than a large one.

/// The kernel parameter that gives the driver the device's place, for which it would ask ACPI
/// otherwise: twelve ports from 0x510 on, with the selector, the data and DMA at these offsets
/// (drivers/firmware/qemu_fw_cfg.c).
pub const KERNEL_PARAMETER: &str = "qemu_fw_cfg.ioport=12@0x510:0:1:4";

/// The folder of the device's files in the guest.
pub const FOLDER: &str = "/sys/firmware/qemu_fw_cfg/by_name/opt/kmodlab";

/// The folder of the whole device in the guest.
pub const HIDDEN_FOLDER: &str = "/sys/firmware/qemu_fw_cfg";

/// The beginning of the files' names in the device.
const PREFIX: &str = "opt/kmodlab";

/// The file with the number of parts that the assignment has.
const COUNT: &str = "count";

/// Its bytes: a number and line ends.
const COUNT_BYTES: usize = 4;

/// The file with the run options.
const OPTIONS: &str = "options";

/// Its bytes.
const OPTIONS_BYTES: usize = 5120;

/// Files that an assignment is cut into. QEMU has room for about 20 of a user's.
const PARTS: usize = 16;

/// Bytes of each.
const PART_BYTES: usize = 8 << 10;

/// The most bytes of an encoded assignment, compressed.
pub const MOST_ASSIGNMENT_BYTES: usize = PARTS * PART_BYTES;

/// A file in the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its bytes, padded to the file's size.
    pub contents: Vec<u8>,
}

impl File {
    /// Returns the name that QEMU gives the file in the device.
    pub fn device_name(name: &str) -> String {
        format!("{PREFIX}/{name}")
    }
}

/// Returns the names of all files.
pub fn names() -> impl Iterator<Item = String> {
    [COUNT, OPTIONS]
        .map(str::to_owned)
        .into_iter()
        .chain(parts())
}

fn parts() -> impl Iterator<Item = String> {
    (0..PARTS).map(|number| format!("part.{number:02}"))
}

/// Lays out a compressed assignment and encoded run options; `None` if one of them is too
/// long.
pub fn files(assignment: &[u8], options: &[u8]) -> Option<Vec<File>> {
    if assignment.len() > MOST_ASSIGNMENT_BYTES || options.len() > OPTIONS_BYTES {
        return None;
    }
    let padded = |contents: &[u8], bytes: usize, with: u8| {
        let mut contents = contents.to_vec();
        contents.resize(bytes, with);
        contents
    };
    let chunks: Vec<&[u8]> = assignment.chunks(PART_BYTES).collect();
    let count = chunks.len().to_string();
    let contents = [
        padded(count.as_bytes(), COUNT_BYTES, b'\n'),
        padded(options, OPTIONS_BYTES, 0),
    ];
    let parts = (0..PARTS).map(|number| {
        let part = chunks.get(number).copied().unwrap_or_default();
        padded(part, PART_BYTES, 0)
    });
    let contents = contents.into_iter().chain(parts);
    Some(
        names()
            .zip(contents)
            .map(|(name, contents)| File { name, contents })
            .collect(),
    )
}

/// Reads the compressed assignment, with `read` for the contents of a file of this name.
///
/// # Errors
///
/// Those of `read`.
pub fn assignment<E>(mut read: impl FnMut(&str) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
    let count = read(COUNT)?;
    let count = String::from_utf8_lossy(&count)
        .trim_end()
        .parse()
        .unwrap_or(0);
    let mut bytes = Vec::with_capacity(count * PART_BYTES);
    for name in parts().take(count) {
        bytes.extend(read(&name)?);
    }
    Ok(bytes)
}

/// Reads the encoded run options.
///
/// # Errors
///
/// Those of `read`.
pub fn options<E>(read: impl FnOnce(&str) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
    read(OPTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(files: &[File], name: &str) -> Result<Vec<u8>, ()> {
        let file = files.iter().find(|file| file.name == name);
        file.map(|file| file.contents.clone()).ok_or(())
    }

    #[test]
    fn names_and_sizes_are_the_same_for_all_contents() {
        let sizes = |assignment: &[u8], options: &[u8]| -> Vec<(String, usize)> {
            let files = files(assignment, options).expect("it has room");
            files
                .into_iter()
                .map(|file| (file.name, file.contents.len()))
                .collect()
        };
        let full = sizes(&[1; MOST_ASSIGNMENT_BYTES], &[2; OPTIONS_BYTES]);
        assert_eq!(full, sizes(&[], &[]));
        assert_eq!(full.len(), 2 + PARTS);
    }

    #[test]
    fn both_documents_come_out_with_padding_behind_them() {
        let assignment: Vec<u8> = (0..20_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let files = files(&assignment, b"options").expect("it has room");
        let read = super::assignment(|name| find(&files, name)).expect("all files are there");
        assert_eq!(read[..assignment.len()], assignment);
        assert_eq!(read.len(), 3 * PART_BYTES);
        let read = options(|name| find(&files, name)).expect("all files are there");
        assert!(read.starts_with(b"options\0"));
    }

    #[test]
    fn documents_that_are_too_long_are_refused() {
        assert_eq!(files(&[0; MOST_ASSIGNMENT_BYTES + 1], &[]), None);
        assert_eq!(files(&[], &[0; OPTIONS_BYTES + 1]), None);
    }
}
