//! A QEMU that runs: its channels, and the folder where they meet.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{MemfdFlags, inotify};

use super::machine::{Console, Events, Machine};
use super::qmp::Qmp;
use crate::failure::{Failure, is_full_disk};
use crate::kernel::KernelImage;
use crate::process::Guarded;
use crate::toolchain::Toolchain;

/// A guest whose channels are recorded. Dropping it ends QEMU.
pub struct Running {
    /// QEMU, under its guard.
    pub qemu: Guarded,
    /// When it was started.
    pub started: Instant,
    /// Its command line, quoted for a shell.
    pub command: String,
    /// What becomes of what reaches it from outside.
    events_are: Events,
    log: Recorder,
    shell: Recorder,
    debug: Recorder,
    folder: tempfile::TempDir,
    events: Receiver<Event>,
    errors: Vec<u8>,
}

/// What a guest speaks on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The serial line: the kernel.
    Log,
    /// The virtio console: the shell.
    Shell,
}

enum Event {
    Said(Channel, Vec<u8>),
    Errors(Vec<u8>),
    Control(UnixStream),
    /// QEMU has closed its standard error: it is gone.
    Gone,
}

/// What was waited for.
pub enum Seen {
    /// Bytes that the guest said.
    Said(Channel, Vec<u8>),
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
        let folder = socket_folder()?;
        let (log, shell) = (Recorder::new("log")?, Recorder::new("shell")?);
        let debug = Recorder::new("debug")?;
        let control = folder.path().join(CONTROL);
        let machine = machine(
            folder.path(),
            Console::Recorded {
                log: log.path(),
                shell: shell.path(),
                debug: debug.path(),
                control: control.clone(),
            },
        )
        .map_err(no_room)?;
        let (sender, events) = channel();
        log.follow(Channel::Log, &sender)?;
        shell.follow(Channel::Shell, &sender)?;
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
        let mut command = machine.command(toolchain, kernel);
        if machine.start.saves() {
            // Why, is told in `saving`.
            command = command.batch();
        }
        if let Events::Replayed { .. } = machine.events {
            // At each event that was recorded, QEMU's main thread and that of the CPU
            // wait for each other: a sixth of a replay's time, where they are on two
            // CPUs of the host or take one from each other.
            command = command.batch().on_one_cpu();
        }
        let spawned = command.spawn(Stdio::null(), Stdio::from(errors_writer));
        if spawned.is_err() {
            log.close();
            shell.close();
        }
        let qemu = spawned?;
        std::thread::spawn(move || forward(errors, &sender));
        Ok(Self {
            qemu,
            started,
            command: command.quoted(),
            events_are: machine.events,
            log,
            shell,
            debug,
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
                Ok(Event::Said(channel, bytes)) => return Ok(Seen::Said(channel, bytes)),
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
        loop {
            match self.wait(None)? {
                Seen::Control(control) => return Ok(control),
                Seen::Said(..) => {}
                Seen::End | Seen::Nothing => {
                    let (status, errors) = self.end()?;
                    bail!("QEMU ended ({status}): {errors}")
                }
            }
        }
    }

    /// All that the kernel has logged so far.
    pub fn log(&mut self) -> Result<Vec<u8>> {
        self.log.bytes()
    }

    /// All that the shell has printed so far.
    pub fn shell(&mut self) -> Result<Vec<u8>> {
        self.shell.bytes()
    }

    /// All that modules have told the host so far.
    pub fn debug(&mut self) -> Result<Vec<u8>> {
        self.debug.bytes()
    }

    /// May xtask interrupt it? A recording has no place for that.
    pub fn may_be_interrupted(&self) -> bool {
        self.events_are == Events::Live
    }

    /// Asks QEMU through `control` to end by itself, if it records: what it has
    /// recorded is not whole otherwise. One that does not, for it is stuck, is
    /// left to [`Running::end`].
    pub fn end_recording(&mut self, control: Option<&mut Qmp>) {
        let Events::Recorded(_) = self.events_are else {
            return;
        };
        if control.is_some_and(|control| control.quit().is_ok()) {
            let deadline = Instant::now() + QUIT_PATIENCE;
            while !matches!(
                self.wait(Some(deadline)),
                Ok(Seen::End | Seen::Nothing) | Err(_)
            ) {}
        }
    }

    /// Ends QEMU, if it has not ended; returns its status and what it said.
    pub fn end(&mut self) -> Result<(std::process::ExitStatus, String)> {
        let status = self.qemu.end()?;
        // A QEMU that failed at its start has left threads that wait for it.
        let _ = UnixStream::connect(self.folder.path().join(CONTROL));
        self.log.close();
        self.shell.close();
        // Ends when all threads have.
        for event in &self.events {
            if let Event::Errors(bytes) = event {
                self.errors.extend(bytes);
            }
        }
        let errors = String::from_utf8_lossy(&self.errors).trim().to_owned();
        Ok((status, errors))
    }
}

/// How long a QEMU that has agreed to end may take to write its last words.
const QUIT_PATIENCE: Duration = Duration::from_secs(10);

/// The control channel's socket in the guest's folder.
const CONTROL: &str = "control";

/// A folder for a guest's sockets. It is not in the cache, for a socket's path
/// has 108 bytes at the most (unix(7)). Its name tells whose it is, so that
/// those of xtasks that were killed are swept.
pub fn socket_folder() -> Result<tempfile::TempDir> {
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

/// Says of an error that comes of a full disk what to do about that.
pub fn no_room(error: anyhow::Error) -> anyhow::Error {
    if !is_full_disk(&error) {
        return error;
    }
    error.context(Failure::host(format!(
        "no space left in {}, where a guest keeps a few MB while it plays: make room, or name \
         another folder with TMPDIR=FOLDER",
        std::env::temp_dir().display()
    )))
}

/// A file in memory that QEMU writes to, whatever disks are full. Unlike a
/// socket or a pipe it takes all at once, so the guest never waits for a reader.
struct Recorder {
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

    /// Sends on what is written, until a writer closes the file.
    fn follow(&self, channel: Channel, sender: &Sender<Event>) -> Result<()> {
        let written = inotify::init(inotify::CreateFlags::CLOEXEC)
            .context("cannot make an inotify instance")?;
        let changes = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CLOSE_WRITE;
        inotify::add_watch(&written, self.path(), changes).context("cannot watch a file")?;
        // Opened anew, for a place of its own in the file.
        let mut file = File::open(self.path()).context("cannot open a file in memory")?;
        let sender = sender.clone();
        std::thread::spawn(move || {
            let mut room = [MaybeUninit::uninit(); 4096];
            loop {
                let mut changes = inotify::Reader::new(&written, &mut room);
                // The rest of those that have come together are there at once.
                let mut closed = false;
                loop {
                    let Ok(change) = changes.next() else { return };
                    closed |= change.events().contains(inotify::ReadFlags::CLOSE_WRITE);
                    if changes.is_buffer_empty() {
                        break;
                    }
                }
                let mut bytes = Vec::new();
                let read = file.read_to_end(&mut bytes);
                if !bytes.is_empty() && sender.send(Event::Said(channel, bytes)).is_err() {
                    return;
                }
                if closed || read.is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    /// Ends the following of a file that no QEMU has opened.
    fn close(&self) {
        drop(File::options().append(true).open(self.path()));
    }

    /// All that was written so far.
    fn bytes(&mut self) -> Result<Vec<u8>> {
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
