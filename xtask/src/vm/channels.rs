//! The channels of a guest that no person uses: files and sockets that QEMU connects it to.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::fs::{MemfdFlags, inotify};

use super::output_meter::LONGEST;
use crate::temporary::{GuestFolder, guest_folder};

/// A channel that a guest writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The first serial line: the kernel's log.
    Log,
    /// The agent's messages.
    Agent,
    /// The output of `perturb`, at the port of QEMU's debug console.
    Debug,
    /// The standard error of QEMU itself.
    QemuErrors,
}

/// An event of a guest or its QEMU.
pub(super) enum Event {
    /// Bytes on a channel.
    Output(Channel, Vec<u8>),
    /// QEMU connected its control channel.
    Control(UnixStream),
    /// QEMU closed its standard error: it has ended.
    Ended,
}

/// The paths that QEMU opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// A file for the kernel's log.
    pub log: PathBuf,
    /// A file for the agent's messages; in real time, a socket.
    pub agent: PathBuf,
    /// A file for the output of `perturb` (`report` in modules/tools/perturb/stop.rs).
    pub debug: PathBuf,
    /// A socket for QEMU's control channel.
    pub control: PathBuf,
    /// A socket at which QEMU's debugger stub listens, if it has one.
    pub gdb: PathBuf,
}

impl Endpoints {
    /// Returns names in place of paths, for a command line that stands for those of many guests.
    pub fn names() -> Self {
        Self {
            log: "log".into(),
            agent: "agent".into(),
            debug: "debug".into(),
            control: CONTROL.into(),
            gdb: GDB.into(),
        }
    }
}

/// The control channel's socket in the guest's folder.
const CONTROL: &str = "control";

/// The debugger's socket in the guest's folder.
const GDB: &str = "gdb";

/// The channels of one guest, and its folder. They are made before the guest is.
///
/// QEMU writes to files at once, so no reader's delay reaches the guest.
pub struct Channels {
    pub(super) log: Recorder,
    pub(super) agent: AgentChannel,
    pub(super) debug: Recorder,
    control: UnixListener,
    folder: GuestFolder,
}

/// The channel of the agent's messages.
pub(super) enum AgentChannel {
    /// The agent only writes.
    File(Recorder),
    /// The host types commands.
    Socket(UnixListener),
}

impl Channels {
    /// Makes the channels of a guest in virtual time, to which the host sends nothing.
    ///
    /// # Errors
    ///
    /// If a file or socket cannot be made.
    pub fn new() -> Result<Self> {
        let agent = AgentChannel::File(Recorder::new("agent")?);
        Self::with_agent(guest_folder()?, agent)
    }

    /// Makes the channels of a guest at which the host types commands.
    ///
    /// # Errors
    ///
    /// If a file or socket cannot be made.
    pub fn typed() -> Result<Self> {
        let folder = guest_folder()?;
        let agent = AgentChannel::Socket(listen(&folder.path().join(AGENT))?);
        Self::with_agent(folder, agent)
    }

    fn with_agent(folder: GuestFolder, agent: AgentChannel) -> Result<Self> {
        Ok(Self {
            log: Recorder::new("log")?,
            agent,
            debug: Recorder::new("debug")?,
            control: listen(&folder.path().join(CONTROL))?,
            folder,
        })
    }

    /// Returns the guest's own folder, which is removed with the channels.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the paths that QEMU opens.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints {
            log: self.log.path(),
            agent: match &self.agent {
                AgentChannel::File(file) => file.path(),
                AgentChannel::Socket(_) => self.folder().join(AGENT),
            },
            debug: self.debug.path(),
            control: self.folder().join(CONTROL),
            gdb: self.folder().join(GDB),
        }
    }

    /// Sends the guest's events: those of all files from one thread, those of sockets from a
    /// thread each.
    pub(super) fn follow(&self, sender: &Sender<Event>) -> Result<()> {
        let mut files = vec![(Channel::Log, &self.log), (Channel::Debug, &self.debug)];
        if let AgentChannel::File(file) = &self.agent {
            files.push((Channel::Agent, file));
        }
        follow(&files, sender)?;
        let control = self.control.try_clone().context("cannot copy a socket")?;
        let sender = sender.clone();
        std::thread::spawn(move || {
            if let Ok((stream, _)) = control.accept() {
                drop(sender.send(Event::Control(stream)));
            }
        });
        Ok(())
    }

    /// Ends the threads that wait for a QEMU which has ended.
    pub(super) fn close(&self) {
        let _ = UnixStream::connect(self.folder().join(CONTROL));
        self.log.close();
        self.debug.close();
        match &self.agent {
            AgentChannel::File(file) => file.close(),
            AgentChannel::Socket(_) => {
                let _ = UnixStream::connect(self.folder().join(AGENT));
            }
        }
    }
}

/// The agent's socket in the guest's folder.
const AGENT: &str = "agent";

fn listen(path: &Path) -> Result<UnixListener> {
    UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))
}

/// A file in memory that QEMU writes to, whatever disks are full. Unlike a socket or a pipe it
/// takes all bytes at once, so the guest never waits for a reader.
pub(super) struct Recorder {
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

    /// Returns the path at which another process of the same user can open the file.
    fn path(&self) -> PathBuf {
        let (process, file) = (std::process::id(), self.file.as_raw_fd());
        PathBuf::from(format!("/proc/{process}/fd/{file}"))
    }

    /// Notes the end of a file that no QEMU has opened.
    fn close(&self) {
        drop(File::options().append(true).open(self.path()));
    }

    /// Reads the bytes that were written so far, up to [`LONGEST`].
    pub(super) fn bytes(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.rewind()?;
        (&mut self.file).take(LONGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Number of bytes after which the thread that follows a guest's files pauses between two reads.
/// No lesson prints as much. A guest that prints without end writes single bytes, and to read
/// each would take as much of the host's CPUs as the guest itself.
const BUSY: usize = 256 << 10;

/// The pause.
const PAUSE: Duration = Duration::from_millis(10);

/// Sends all bytes that are written to some files, until the writer of each closes it.
fn follow(files: &[(Channel, &Recorder)], sender: &Sender<Event>) -> Result<()> {
    let written =
        inotify::init(inotify::CreateFlags::CLOEXEC).context("cannot make an inotify instance")?;
    let changes = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CLOSE_WRITE;
    let mut followed = Vec::new();
    for (channel, recorder) in files {
        let path = recorder.path();
        let watch = inotify::add_watch(&written, &path, changes).context("cannot watch a file")?;
        // Opened again, for an offset of its own.
        let file = File::open(&path).context("cannot open a file in memory")?;
        followed.push(FollowedFile {
            watch,
            channel: *channel,
            file,
            closed: false,
        });
    }
    let sender = sender.clone();
    std::thread::spawn(move || {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut sent = 0;
        while !followed.iter().all(|file| file.closed) {
            let mut changes = inotify::Reader::new(&written, &mut buffer);
            // One read returns several changes.
            loop {
                let Ok(change) = changes.next() else { return };
                if change.events().contains(inotify::ReadFlags::CLOSE_WRITE) {
                    let of_change = |file: &&mut FollowedFile| file.watch == change.wd();
                    if let Some(file) = followed.iter_mut().find(of_change) {
                        file.closed = true;
                    }
                }
                if changes.is_buffer_empty() {
                    break;
                }
            }
            for FollowedFile { channel, file, .. } in &mut followed {
                let mut bytes = Vec::new();
                if file.read_to_end(&mut bytes).is_err() {
                    return;
                }
                sent += bytes.len();
                if !bytes.is_empty() && sender.send(Event::Output(*channel, bytes)).is_err() {
                    return;
                }
            }
            if sent > BUSY {
                std::thread::sleep(PAUSE);
            }
        }
    });
    Ok(())
}

/// A file that a thread reads while QEMU writes it.
struct FollowedFile {
    watch: i32,
    channel: Channel,
    file: File,
    closed: bool,
}
