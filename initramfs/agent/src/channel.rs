//! The channel to the host.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use kmodlab_protocol::{CHANNEL, CHANNEL_VARIABLE, Message, Tag, frame, typed};
use rustix::termios::{OptionalActions, isatty, tcgetattr, tcsetattr};

use crate::guest::Guest;

/// The channel's open device file.
pub struct Channel {
    file: File,
    tag: Tag,
    queued: Vec<u8>,
    received: Vec<u8>,
}

impl Channel {
    /// Opens the channel. The kernel makes its device file some time after it started the
    /// agent, when it has found the port.
    pub fn open() -> Result<Self> {
        const TRIES: u32 = 500;
        let path = std::env::var_os(CHANNEL_VARIABLE).map_or(CHANNEL.into(), PathBuf::from);
        let mut tries = 1;
        let file = loop {
            match open(&path) {
                Ok(file) => break file,
                Err(error) if tries == TRIES => {
                    return Err(error).with_context(|| format!("cannot open {}", path.display()));
                }
                Err(_) => tries += 1,
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        if isatty(&file) {
            // A terminal would turn each line end into two characters.
            let mut terminal = tcgetattr(&file)?;
            terminal.make_raw();
            tcsetattr(&file, OptionalActions::Now, &terminal)?;
        }
        Ok(Self::new(file))
    }

    /// Returns a channel with this open file.
    pub fn new(file: File) -> Self {
        Self {
            file,
            tag: Tag::BOOT,
            queued: Vec::new(),
            received: Vec::new(),
        }
    }

    /// Marks all further messages with this tag.
    pub fn set_tag(&mut self, tag: Tag) {
        self.tag = tag;
    }

    /// Adds a message to those that are to be written: one write costs a guest as much as
    /// thousands of instructions.
    pub fn queue(&mut self, message: &Message) {
        frame::write(self.tag, message, &mut self.queued);
    }

    /// Writes the queued messages.
    pub fn flush(&mut self) -> Result<()> {
        let written = self.file.write_all(&self.queued);
        self.queued.clear();
        written.context("cannot write to the host")
    }

    /// Writes a message, after those that are queued.
    pub fn send(&mut self, message: &Message) -> Result<()> {
        self.queue(message);
        self.flush()
    }

    /// Returns the next command that the host typed if all of it has come; call it when the
    /// channel can be read.
    pub fn command(&mut self) -> Result<Option<String>> {
        let mut buffer = [0; 4096];
        let count = self
            .file
            .read(&mut buffer)
            .context("cannot read from the host")?;
        self.received.extend(&buffer[..count]);
        let Some(end) = self.received.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let line: Vec<u8> = self.received.drain(..=end).collect();
        let line = String::from_utf8_lossy(&line[..end]);
        Ok(Some(typed::command(&line)))
    }
}

/// Opens the channel of an interactive guest, which only `reload` uses.
pub fn open_interactive(guest: &Guest) -> std::io::Result<File> {
    open(&guest.path(CHANNEL))
}

fn open(path: &Path) -> std::io::Result<File> {
    File::options().read(true).write(true).open(path)
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
