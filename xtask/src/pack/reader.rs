//! Reads packs, and checks that one is as it was made.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::header::altered;
use super::{BLOCK, HEADER, PackHeader, PackedMember, padded};
use crate::failure::Failure;
use crate::workers;

/// Longest header that is read, in bytes.
const HEADER_MAX: u64 = 16 << 20;

/// A pack whose contents are as they were made.
#[derive(Debug)]
pub struct PackFile {
    path: PathBuf,
    header: PackHeader,
    /// Positions of the members' contents, in bytes.
    positions: Vec<u64>,
}

impl PackFile {
    /// Opens a pack and compares its size and each member with the header.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, if it is not a pack, if it is cut or altered, and if its
    /// format is another one.
    pub fn open(path: &Path) -> Result<Self> {
        let cannot = || format!("cannot read {}", path.display());
        let refused = |why: &str| Failure::host(format!("{} {why}", path.display()));
        let mut file =
            File::open(path).map_err(|error| Failure::usage(format!("{}: {error}", cannot())))?;
        let metadata = file.metadata().with_context(cannot)?;
        let there = metadata.len();
        let not_a_pack = || {
            let shown = path.display();
            Failure::usage(format!(
                "{shown} is not a pack of kmodlab; `pack` makes one"
            ))
        };
        let mut block = tar::Header::new_gnu();
        if there < BLOCK || !metadata.is_file() {
            return Err(not_a_pack().into());
        }
        file.read_exact(block.as_mut_bytes()).with_context(cannot)?;
        let size = match (block.path(), block.size()) {
            (Ok(name), Ok(size)) if *name == *HEADER && size <= HEADER_MAX => size,
            _ => return Err(not_a_pack().into()),
        };
        let mut text = String::new();
        let read = (&mut file).take(size).read_to_string(&mut text);
        if read.is_ok_and(|read| (read as u64) < size) {
            return Err(refused(&cut(there, None)).into());
        }
        let header = PackHeader::parse(&text).map_err(|why| refused(&why))?;
        let mut end = BLOCK + padded(size);
        let mut positions = Vec::new();
        for member in &header.members {
            positions.push(end + BLOCK);
            end += BLOCK + padded(member.size);
        }
        // Two empty blocks end a tar file.
        end += 2 * BLOCK;
        if there < end {
            return Err(refused(&cut(there, Some(end))).into());
        }
        let pack = Self {
            path: path.to_owned(),
            header,
            positions,
        };
        if there > end {
            return Err(refused(&altered("its length")).into());
        }
        let members: Vec<usize> = (0..pack.header.members.len()).collect();
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let checked = workers::map(threads, &members, |&index| pack.check(index));
        checked.into_iter().collect::<Result<()>>()?;
        Ok(pack)
    }

    /// Returns the header.
    pub fn header(&self) -> &PackHeader {
        &self.header
    }

    /// Returns the path of the pack.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the contents of the member with this index, and returns the member too.
    ///
    /// # Errors
    ///
    /// Fails if the pack cannot be read.
    pub fn member(&self, index: usize) -> Result<(&PackedMember, impl std::io::Read)> {
        let member = &self.header.members[index];
        let opened = || -> std::io::Result<_> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.positions[index]))?;
            Ok(file.take(member.size))
        };
        let contents = opened().with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok((member, contents))
    }

    fn check(&self, index: usize) -> Result<()> {
        let (member, contents) = self.member(index)?;
        let mut hasher = blake3::Hasher::new();
        hasher
            .update_reader(contents)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        if hasher.finalize().to_hex().as_str() == member.hash {
            return Ok(());
        }
        let (path, why) = (self.path.display(), altered(&member.name));
        Err(Failure::host(format!("{path} {why}")).into())
    }
}

/// Returns the clause for a pack of which only the beginning is there.
fn cut(there: u64, all: Option<u64>) -> String {
    let all = all.map_or_else(String::new, |all| format!(" of {all}"));
    format!("is cut: it has {there}{all} bytes; copy the pack from its origin again")
}
