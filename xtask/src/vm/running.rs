//! A QEMU that runs: its channels, and the folder where they meet.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use rustix::fs::MemfdFlags;

use super::machine::{Console, Machine};
use super::qmp::Qmp;
use crate::kernel::KernelImage;
use crate::process::Guarded;
use crate::toolchain::Toolchain;

/// A guest whose channels are recorded. Dropping it ends QEMU.
pub struct Running {
    /// QEMU, under its guard.
    pub qemu: Guarded,
    /// When it was started.
    pub started: Instant,
    /// What the kernel logs.
    pub log: Recorder,
    /// What the shell prints.
    pub shell: Recorder,
    folder: tempfile::TempDir,
    events: Receiver<Event>,
    errors: Vec<u8>,
}

enum Event {
    Errors(Vec<u8>),
    Control(UnixStream),
    /// QEMU has closed its standard error: it is gone.
    Gone,
}

/// What was waited for.
pub enum Seen {
    /// QEMU's control channel.
    Control(Qmp),
    /// The end of QEMU.
    End,
    /// Nothing, for so long.
    Nothing,
}

impl Running {
    /// Starts the guest that `machine` returns for a folder of its own and for
    /// this console.
    pub fn start(
        toolchain: &Toolchain,
        kernel: &KernelImage,
        machine: impl FnOnce(&Path, Console) -> Result<Machine>,
    ) -> Result<Self> {
        let folder = folder()?;
        let (log, shell) = (Recorder::new("log")?, Recorder::new("shell")?);
        let control = folder.path().join(CONTROL);
        let machine = machine(
            folder.path(),
            Console::Recorded {
                log: log.path(),
                shell: shell.path(),
                control: control.clone(),
            },
        )?;
        let (sender, events) = channel();
        let listener = UnixListener::bind(&control)
            .with_context(|| format!("cannot listen on {}", control.display()))?;
        let control_sender = sender.clone();
        std::thread::spawn(move || {
            if let Ok((stream, _)) = listener.accept() {
                drop(control_sender.send(Event::Control(stream)));
            }
        });
        let (errors, errors_writer) = std::io::pipe().context("cannot make a pipe")?;
        let started = Instant::now();
        let qemu = machine
            .command(toolchain, kernel)
            .spawn(Stdio::null(), Stdio::from(errors_writer))?;
        std::thread::spawn(move || forward(errors, &sender));
        Ok(Self {
            qemu,
            started,
            log,
            shell,
            folder,
            events,
            errors: Vec::new(),
        })
    }

    /// The guest's own folder, which goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits for something to happen, until `deadline` if there is one.
    pub fn wait(&mut self, deadline: Option<Instant>) -> Result<Seen> {
        loop {
            let event = match deadline {
                Some(deadline) => self
                    .events
                    .recv_timeout(deadline.saturating_duration_since(Instant::now())),
                None => self.events.recv().map_err(RecvTimeoutError::from),
            };
            match event {
                Ok(Event::Errors(bytes)) => self.errors.extend(bytes),
                Ok(Event::Control(stream)) => return Ok(Seen::Control(Qmp::new(stream)?)),
                // The pipe of errors is held by QEMU and its guard alone.
                Ok(Event::Gone) | Err(RecvTimeoutError::Disconnected) => return Ok(Seen::End),
                Err(RecvTimeoutError::Timeout) => return Ok(Seen::Nothing),
            }
        }
    }

    /// Waits for QEMU's control channel; that it ended is an error with its
    /// last words.
    pub fn control(&mut self) -> Result<Qmp> {
        match self.wait(None)? {
            Seen::Control(control) => Ok(control),
            Seen::End | Seen::Nothing => {
                let (status, errors) = self.end()?;
                bail!("QEMU ended ({status}): {errors}")
            }
        }
    }

    /// Ends QEMU, if it has not ended; returns its status and what it said.
    pub fn end(&mut self) -> Result<(std::process::ExitStatus, String)> {
        let status = self.qemu.end()?;
        // A QEMU that failed at its start has left a listener that waits for
        // it.
        let _ = UnixStream::connect(self.folder.path().join(CONTROL));
        // Ends when both threads have.
        for event in &self.events {
            if let Event::Errors(bytes) = event {
                self.errors.extend(bytes);
            }
        }
        let errors = String::from_utf8_lossy(&self.errors).trim().to_owned();
        Ok((status, errors))
    }
}

/// The control channel's socket in the guest's folder.
const CONTROL: &str = "control";

/// A folder for a guest's sockets. It is not in the cache, for a socket's path
/// has 108 bytes at the most (unix(7)). Its name tells whose it is, so that
/// those of xtasks that were killed are swept.
fn folder() -> Result<tempfile::TempDir> {
    const PREFIX: &str = "kmodlab-";
    let parent = std::env::temp_dir();
    for entry in std::fs::read_dir(&parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('.'))
            .and_then(|(owner, _)| owner.parse::<u32>().ok());
        if let Some(owner) = owner
            && !Path::new("/proc").join(owner.to_string()).exists()
        {
            // Another user's cannot be removed, and need not be.
            let _ = crate::cache::remove(&entry.path());
        }
    }
    tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{}.", std::process::id()))
        .tempdir_in(&parent)
        .with_context(|| format!("cannot make a folder in {}", parent.display()))
}

/// A file in memory that QEMU writes to, whatever disks are full. Unlike a
/// socket it takes all at once, so the guest never waits for a reader.
pub struct Recorder {
    file: File,
}

impl Recorder {
    fn new(name: &str) -> Result<Self> {
        let file = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)
            .context("cannot make a file in memory")?;
        Ok(Self {
            file: File::from(file),
        })
    }

    /// Where another process of the same user can open it.
    fn path(&self) -> PathBuf {
        let (process, file) = (std::process::id(), self.file.as_raw_fd());
        PathBuf::from(format!("/proc/{process}/fd/{file}"))
    }

    /// All that was written so far.
    pub fn bytes(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.rewind()?;
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

fn forward(mut from: impl std::io::Read, sender: &Sender<Event>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if sender
            .send(Event::Errors(buffer[..count].to_vec()))
            .is_err()
        {
            return;
        }
    }
    drop(sender.send(Event::Gone));
}
