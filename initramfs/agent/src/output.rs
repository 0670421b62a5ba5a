//! The file that the output of all commands goes to, and its limit.
//!
//! The kernel kills a process that writes beyond a file's maximum length, by SIGXFSZ. The output
//! begins so far behind the start of its file that the same limit leaves it [`OUTPUT_LIMIT`]; the
//! hole in front of it takes no memory. So nothing has to watch the file while a command runs.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use kmodlab_protocol::OUTPUT_LIMIT;
use rustix::process::{Resource, Rlimit, setrlimit};

/// Maximum length of a file that a command writes, in bytes: every file of a guest is in its
/// memory.
const MAX_FILE: u64 = 64 << 20;

/// The position in the file at which the output begins.
const BEGIN: u64 = MAX_FILE - OUTPUT_LIMIT;

/// Maximum length of a piece of output, in bytes.
pub const PIECE: u64 = 1 << 20;

/// The output of the commands.
pub struct Output {
    file: File,
    /// The position up to which it was read.
    read: u64,
}

impl Output {
    /// Makes the file, whose name in `folder` is removed at once, and limits the length of the
    /// files of all programs that this process starts.
    pub fn new(folder: &Path) -> Result<Self> {
        let file = nameless_file(folder).context("cannot make a file for the output")?;
        let limit = Rlimit {
            current: Some(MAX_FILE),
            maximum: Some(MAX_FILE),
        };
        setrlimit(Resource::Fsize, limit).context("cannot limit the length of files")?;
        Ok(Self { file, read: BEGIN })
    }

    /// Returns the file to append to.
    pub fn writer(&self) -> Result<File> {
        self.file.try_clone().context("cannot copy a file")
    }

    /// Reports whether the commands have printed as much as they may, and were stopped from
    /// printing more.
    pub fn is_full(&self) -> Result<bool> {
        Ok(self.length()? >= MAX_FILE)
    }

    /// Reports whether the output was full when its last piece was read.
    pub fn is_read_to_its_limit(&self) -> bool {
        self.read >= MAX_FILE
    }

    /// Returns the next [`PIECE`] of the output, or the rest if that is less; call it until it
    /// returns nothing.
    pub fn piece(&mut self) -> Result<Vec<u8>> {
        let length = self.length()?;
        // A command truncated the file (`echo x >/dev/stderr` does) and wrote to its start.
        let truncated = length < BEGIN;
        if truncated && self.read >= BEGIN {
            self.read = 0;
        }
        let count = usize::try_from(length.saturating_sub(self.read).min(PIECE))?;
        let mut bytes = vec![0; count];
        self.file
            .read_exact_at(&mut bytes, self.read)
            .context("cannot read the output")?;
        self.read += bytes.len() as u64;
        if truncated && self.read == length {
            self.file
                .set_len(BEGIN)
                .context("cannot extend the output")?;
            self.read = BEGIN;
        }
        Ok(bytes)
    }

    fn length(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        Ok(metadata.context("cannot measure the output")?.len())
    }
}

/// Makes a file to append to, and removes its name.
fn nameless_file(folder: &Path) -> std::io::Result<File> {
    let path = folder.join(".kmodlab-output");
    let mut options = File::options();
    let file = options
        .read(true)
        .append(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    file.set_len(BEGIN)?;
    Ok(file)
}
