//! A QEMU that runs, and the one event loop for all guests that the host watches.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::channels::{AgentChannel, Channel, Channels, Event};
use super::host_cpu::HostCpu;
use super::machine::Machine;
use super::qmp::Qmp;
use super::real_time::{self, TypedCommands};
use crate::failure::{Failure, is_full_disk};
use crate::kernel::KernelImage;
use crate::process::{Guarded, park_if_interrupted};
use crate::toolchain::Toolchain;

/// A guest whose channels are recorded. Dropping it ends QEMU.
pub(super) struct Running {
    qemu: Guarded,
    /// Held until the guest has ended.
    _host_cpu: Option<HostCpu>,
    started: Instant,
    command: String,
    records: bool,
    channels: Channels,
    events: Receiver<Event>,
    sender: Option<Sender<Event>>,
    agent: Vec<u8>,
    errors: Vec<u8>,
}

/// A QEMU that has ended, and the bytes on its channels.
pub(super) struct Ended {
    /// QEMU's exit status.
    pub status: ExitStatus,
    /// The kernel's log.
    pub log: Vec<u8>,
    /// The agent's messages.
    pub agent: Vec<u8>,
    /// The output of `perturb`.
    pub debug: Vec<u8>,
    /// QEMU's standard error.
    pub errors: String,
    /// The host's time from QEMU's start to its end.
    pub wall: Duration,
}

/// An observer of a guest: it decides when to look at the guest, and when to stop it.
pub(super) trait Observer {
    /// The reason for which it stops a guest.
    type Stop;

    /// Receives the bytes of a channel.
    fn output(&mut self, channel: Channel, bytes: &[u8]) -> Option<Self::Stop>;

    /// Returns the time at which it wants to look at the guest; `None` for never.
    fn next_look(&self) -> Option<Instant>;

    /// Looks at the guest, through QEMU's control channel if that has answered so far.
    fn look(&mut self, guest: &Running, control: &mut Option<Qmp>) -> Result<Option<Self::Stop>>;
}

impl Running {
    /// Starts a guest.
    pub fn start(
        toolchain: &Toolchain,
        kernel: &KernelImage,
        machine: &Machine,
        channels: Channels,
    ) -> Result<Self> {
        let (sender, events) = channel();
        channels.follow(&sender)?;
        let (errors, errors_writer) = std::io::pipe().context("cannot make a pipe")?;
        let started = Instant::now();
        let command = machine.command(toolchain, kernel);
        let host_cpu = machine.virtual_clock().map(|_| HostCpu::reserve());
        let spawn = || command.spawn(Stdio::null(), Stdio::from(errors_writer));
        let spawned = match &host_cpu {
            Some(cpu) => cpu.on(spawn),
            None => spawn(),
        };
        if spawned.is_err() {
            channels.close();
        }
        let qemu = spawned?;
        let errors_sender = sender.clone();
        std::thread::spawn(move || forward(errors, &errors_sender));
        Ok(Self {
            qemu,
            _host_cpu: host_cpu,
            started,
            command: command.quoted(),
            records: machine.records(),
            channels,
            events,
            sender: Some(sender),
            agent: Vec::new(),
            errors: Vec::new(),
        })
    }

    /// Types commands at the guest, from a thread of its own.
    pub fn type_commands(&mut self, commands: TypedCommands) -> Result<()> {
        let AgentChannel::Socket(listener) = &self.channels.agent else {
            bail!("this guest takes no commands");
        };
        let listener = listener.try_clone().context("cannot copy a socket")?;
        if let Some(sender) = self.sender.clone() {
            std::thread::spawn(move || real_time::type_commands(&listener, &commands, &sender));
        }
        Ok(())
    }

    /// Returns the guest's own folder, which is removed with the guest.
    pub fn folder(&self) -> &Path {
        self.channels.folder()
    }

    /// Returns the socket at which QEMU's debugger stub listens, once it is started.
    pub fn debugger_socket(&self) -> PathBuf {
        self.channels.endpoints().gdb
    }

    /// Returns the time at which QEMU started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Returns QEMU's command line, quoted for a shell.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Returns the number of the process that QEMU is a child of.
    pub fn guard(&self) -> u32 {
        self.qemu.id()
    }

    /// Hands the guest's events to an observer until QEMU has ended or the observer stops the
    /// guest, for which it returns the reason. `control` is the control channel if it was
    /// already taken.
    pub fn watch<O: Observer>(
        &mut self,
        mut control: Option<Qmp>,
        observer: &mut O,
    ) -> Result<Option<O::Stop>> {
        loop {
            let event = match observer.next_look() {
                Some(deadline) => self
                    .events
                    .recv_timeout(deadline.saturating_duration_since(Instant::now())),
                None => self.events.recv().map_err(RecvTimeoutError::from),
            };
            let stop = match event {
                Ok(Event::Output(channel, bytes)) => {
                    self.note(channel, &bytes);
                    observer.output(channel, &bytes)
                }
                // QEMU does not answer while it ends, and is not asked again.
                Ok(Event::Control(stream)) => {
                    control = Qmp::new(stream, self.guard()).ok();
                    None
                }
                Ok(Event::Ended) | Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => observer.look(self, &mut control)?,
            };
            if stop.is_some() {
                self.finish_recording(control.as_mut());
                return Ok(stop);
            }
        }
    }

    fn note(&mut self, channel: Channel, bytes: &[u8]) {
        match (channel, &self.channels.agent) {
            (Channel::QemuErrors, _) => self.errors.extend(bytes),
            // A file keeps its bytes itself.
            (Channel::Agent, AgentChannel::Socket(_)) => self.agent.extend(bytes),
            (Channel::Agent | Channel::Log | Channel::Debug, _) => {}
        }
    }

    /// Waits for QEMU's control channel.
    ///
    /// # Errors
    ///
    /// If QEMU ends before, with its last words.
    pub fn control(&mut self) -> Result<Qmp> {
        loop {
            match self.events.recv() {
                Ok(Event::Control(stream)) => return Qmp::new(stream, self.guard()),
                Ok(Event::Output(channel, bytes)) => self.note(channel, &bytes),
                Ok(Event::Ended) | Err(_) => {
                    let (status, errors) = self.stop()?;
                    bail!("QEMU ended ({status}): {errors}")
                }
            }
        }
    }

    /// Asks QEMU to end by itself if it records: the recording is not whole otherwise. A QEMU
    /// that does not is left to [`Running::end`].
    fn finish_recording(&mut self, control: Option<&mut Qmp>) {
        if self.records && control.is_some_and(|control| control.quit().is_ok()) {
            self.wait_for_end(Instant::now() + QUIT_PATIENCE);
        }
    }

    /// Waits until QEMU has ended, until `deadline` at most.
    pub fn wait_for_end(&mut self, deadline: Instant) {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(Event::Output(channel, bytes)) => self.note(channel, &bytes),
                Ok(Event::Control(_)) => {}
                Ok(Event::Ended) | Err(_) => return,
            }
        }
    }

    /// Ends QEMU if it has not ended; returns its status and standard error.
    pub fn stop(&mut self) -> Result<(ExitStatus, String)> {
        let status = self.qemu.end()?;
        self.channels.close();
        self.sender = None;
        // Ends when all threads have.
        while let Ok(event) = self.events.recv() {
            if let Event::Output(channel, bytes) = event {
                self.note(channel, &bytes);
            }
        }
        // An interrupted xtask reports nothing of the guests that it ended.
        park_if_interrupted();
        let errors = String::from_utf8_lossy(&self.errors).trim().to_owned();
        Ok((status, errors))
    }

    /// Ends QEMU if it has not ended, and returns the bytes of all channels.
    pub fn end(mut self) -> Result<Ended> {
        let (status, errors) = self.stop()?;
        let wall = self.started.elapsed();
        Ok(Ended {
            status,
            log: self.channels.log.bytes()?,
            agent: match &mut self.channels.agent {
                AgentChannel::File(file) => file.bytes()?,
                AgentChannel::Socket(_) => std::mem::take(&mut self.agent),
            },
            debug: self.channels.debug.bytes()?,
            errors,
            wall,
        })
    }
}

/// The time that a QEMU which has agreed to end may take to write the rest of its recording.
pub(super) const QUIT_PATIENCE: Duration = Duration::from_secs(10);

/// Adds to an error of a full disk the advice to make room.
pub fn explain_full_disk(error: anyhow::Error) -> anyhow::Error {
    if !is_full_disk(&error) {
        return error;
    }
    error.context(Failure::host(format!(
        "no space left in {}, where a guest keeps a few MB while it runs: make room, or name \
         another folder with TMPDIR=FOLDER",
        std::env::temp_dir().display()
    )))
}

fn forward(mut from: impl std::io::Read, sender: &Sender<Event>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let bytes = buffer[..count].to_vec();
        if sender
            .send(Event::Output(Channel::QemuErrors, bytes))
            .is_err()
        {
            return;
        }
    }
    drop(sender.send(Event::Ended));
}
