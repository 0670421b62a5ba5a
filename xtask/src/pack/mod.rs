//! Packs: one file with the cache entries that a host needs to run and build modules, so that it
//! downloads nothing and compiles no kernel.
//!
//! A pack is a tar file. Its first member is the header (`pack/header.rs`), the second is the
//! program, so that `tar -xf PACK kmodlab` gets it on any host. Each further member is a cache
//! entry, a tar file compressed with zstd, and a header line has its size and its hash. Nothing is
//! put into a cache before all hashes are right.
//!
//! The keys of the entries contain no path of a host, but the versions of its compilers and the
//! distribution. For that reason the header has these too, and a host with other ones, which would
//! not find the entries, refuses the pack.

mod contents;
mod header;
mod reader;
mod unpack;
mod writer;

pub use contents::{PackContents, packed_file};
pub use header::{
    PACK_FORMAT, PackHeader, PackOrigin, PackedKernel, PackedMember, PackedTools, recipe,
};
pub use reader::PackFile;
pub use unpack::{Unpacked, unpack};
pub use writer::write;

/// Name of the member with the header.
const HEADER: &str = "pack";

/// Name of the member with the program.
pub const PROGRAM: &str = "kmodlab";

/// End of the name of a member with an entry.
const COMPRESSED: &str = ".tar.zst";

/// Name of the only file in the member of an entry that is a file.
const ITSELF: &str = "file";

/// Bytes of a block of a tar file: a member's name and size are one, and its contents are padded to
/// whole ones.
const BLOCK: u64 = 512;

/// Text that stands for the cache folder in files that have its path.
const CACHE: &str = "@KMODLAB_CACHE@";

/// The files of a kernel that have the path of the cache folder: kbuild's Makefile, and a link to
/// the source.
const MAKEFILE: &str = "Makefile";
const SOURCE_LINK: &str = "source";

/// Returns the length of contents in whole blocks, in bytes.
fn padded(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK) * BLOCK
}
