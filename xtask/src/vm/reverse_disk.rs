//! A disk for QEMU's internal snapshots of a replayed guest, to which a debugger returns to step
//! backwards.
//!
//! No tool is needed to make one: an empty disk in QEMU's own format (docs/interop/qcow2.txt)
//! is a header and three tables, almost all zeros. An internal snapshot holds a guest's state,
//! not a disk's.

use std::path::Path;

use anyhow::{Context as _, Result};

/// Binary logarithm of the size of a cluster, the unit of the disk's layout.
const CLUSTER_BITS: u32 = 16;

/// The disk's own size in bytes. Nothing writes to the disk.
const DISK_BYTES: u64 = 1 << CLUSTER_BITS;

/// Writes an empty disk to `path`. An internal snapshot takes as much room in it as the guest's
/// memory has contents: about 10 MB at its start.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_empty(path: &Path) -> Result<()> {
    std::fs::write(path, image()).with_context(|| format!("cannot write {}", path.display()))
}

/// Returns four clusters: the header, the table of reference counts, the counts of
/// these four, and the table of the disk's contents, which has one entry.
fn image() -> Vec<u8> {
    let cluster = |number: u64| number << CLUSTER_BITS;
    let (table, counts, contents) = (cluster(1), cluster(2), cluster(3));
    let header: [&[u8]; 11] = [
        b"QFI\xfb",
        &2_u32.to_be_bytes(), // the format's version
        &[0; 12],             // no backing file
        &CLUSTER_BITS.to_be_bytes(),
        &DISK_BYTES.to_be_bytes(),
        &[0; 4],              // not encrypted
        &1_u32.to_be_bytes(), // entries of the table of contents
        &contents.to_be_bytes(),
        &table.to_be_bytes(),
        &1_u32.to_be_bytes(), // its clusters
        &[0; 12],             // no snapshots yet
    ];
    let mut image = header.concat();
    let mut at = |place: u64, bytes: &[u8]| {
        image.resize(usize::try_from(place).unwrap_or(usize::MAX), 0);
        image.extend(bytes);
    };
    at(table, &counts.to_be_bytes());
    at(counts, &1_u16.to_be_bytes().repeat(4));
    at(contents, &[0; 8]);
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_where_qemu_reads_it() {
        let image = image();
        assert_eq!(image.len(), (3 << CLUSTER_BITS) + 8);
        let number = |at: usize| u64::from_be_bytes(image[at..at + 8].try_into().expect("8 bytes"));
        assert_eq!(number(24), DISK_BYTES);
        assert_eq!(number(40), 3 << CLUSTER_BITS);
        assert_eq!(number(48), 1 << CLUSTER_BITS);
        assert_eq!(number(1 << CLUSTER_BITS), 2 << CLUSTER_BITS);
        assert!(image[72..1 << CLUSTER_BITS].iter().all(|byte| *byte == 0));
    }
}
