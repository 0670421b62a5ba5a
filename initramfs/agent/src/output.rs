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
const PIECE: u64 = 1 << 20;

/// Length of the beginning and of the end of output without end, in bytes. Both fit into a
/// socket's buffer, so that no reset of the guest takes a part away.
const END: u64 = 32 << 10;

/// Some output of the commands.
#[derive(Debug)]
pub enum Printed {
    /// A part; there may be more.
    Piece(Vec<u8>),
    /// Everything up to now.
    Rest(Vec<u8>),
    /// More than the commands may print: the first and the last bytes.
    TooMuch { first: Vec<u8>, last: Vec<u8> },
}

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

    /// Reads the output since the last call, or a part of it.
    pub fn read(&mut self) -> Result<Printed> {
        let length = self.length()?;
        if length >= MAX_FILE {
            let rest = MAX_FILE - self.read.min(MAX_FILE);
            let end = rest.min(END);
            return Ok(Printed::TooMuch {
                first: self.bytes(self.read, end)?,
                last: self.bytes(MAX_FILE - end, end)?,
            });
        }
        // A command truncated the file (`echo x >/proc/self/fd/1` does) and wrote to its start.
        let truncated = length < BEGIN;
        if truncated && self.read >= BEGIN {
            self.read = 0;
        }
        let count = length.saturating_sub(self.read).min(PIECE);
        let bytes = self.bytes(self.read, count)?;
        self.read += count;
        if truncated && self.read == length {
            let extended = self.file.set_len(BEGIN);
            extended.context("cannot extend the output")?;
            self.read = BEGIN;
        }
        Ok(match count {
            PIECE => Printed::Piece(bytes),
            _ => Printed::Rest(bytes),
        })
    }

    fn bytes(&self, at: u64, count: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(count)?];
        let read = self.file.read_exact_at(&mut bytes, at);
        read.context("cannot read the output")?;
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
