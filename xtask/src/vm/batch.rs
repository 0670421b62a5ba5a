//! A guest that plays by itself, watched from outside.
//!
//! In virtual time nothing in the host may be waited for, so the guest plays a
//! script alone and xtask collects what it says on two channels. It notices a
//! dead guest by the guest's own clock: one that has passed its limit, or one
//! that stands still while QEMU sleeps, never by a long wait on the wall.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::guest_run::{GuestEnd, GuestRun};
use super::machine::{Console, Machine};
use super::qmp::Qmp;
use crate::kernel::KernelImage;
use crate::process::Guarded;
use crate::toolchain::Toolchain;

/// How often the guest's clock is read.
const SAMPLE: Duration = Duration::from_millis(200);

/// How long a guest may run before its clock is read for the first time. Most
/// have ended by then, and QEMU can hang in its end if it is asked something
/// at that very moment (seen once, in `monitor_cleanup` of QEMU 7.2).
const FIRST_SAMPLE: Duration = Duration::from_secs(3);

/// So many samples in a row without progress mean that the guest is stuck:
/// 2 seconds in which no thread of QEMU ran when it was looked at.
const STUCK_SAMPLES: u32 = 10;

/// How the kernel begins to say that it panics.
const PANIC: &[u8] = b"Kernel panic - not syncing";

/// Where a guest's words come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Log,
    Shell,
    Errors,
}

/// What a guest or its QEMU does.
pub(super) enum Event {
    Bytes(Channel, Vec<u8>),
    End(Channel),
    Control(UnixStream),
}

/// Runs a guest in virtual time until it ends, or until its clock passes
/// `limit` seconds. `heard` gets what comes on the shell's channel, piece by
/// piece; `machine` returns the guest for a folder of sockets.
pub fn run_batch(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    limit: u32,
    heard: &mut dyn FnMut(&[u8]),
    machine: impl FnOnce(&Path) -> Result<Machine>,
) -> Result<GuestRun> {
    let folder = socket_folder()?;
    let machine = machine(folder.path())?;
    debug_assert!(matches!(machine.console, Console::Sockets { .. }));
    let (sender, events) = channel();
    for (name, channel) in [
        ("log", Some(Channel::Log)),
        ("shell", Some(Channel::Shell)),
        ("control", None),
    ] {
        let path = folder.path().join(name);
        let listener = UnixListener::bind(&path)
            .with_context(|| format!("cannot listen on {}", path.display()))?;
        let sender = sender.clone();
        std::thread::spawn(move || serve(&listener, channel, &sender));
    }
    let (errors, errors_writer) = std::io::pipe().context("cannot make a pipe")?;
    let started = Instant::now();
    let command = machine.command(toolchain, kernel);
    let mut qemu = command.spawn(Stdio::null(), Stdio::from(errors_writer))?;
    std::thread::spawn(move || forward(errors, Channel::Errors, &sender));
    let mut watch = Watch::default();
    let stopped = watch.until_end(&events, limit, heard, &qemu);
    let status = qemu.end()?;
    // A QEMU that failed at its start has left listeners that wait for it.
    for name in ["log", "shell", "control"] {
        let _ = UnixStream::connect(folder.path().join(name));
    }
    watch.drain(&events);
    let Watch {
        log,
        shell,
        stderr,
        panic,
        spoke,
        ..
    } = watch;
    crate::process::park_if_interrupted();
    let end = match stopped {
        Some(end) => end,
        None if status.success() => GuestEnd::Ended,
        None => GuestEnd::QemuFailed {
            status: status.to_string(),
            stderr: String::from_utf8_lossy(&stderr).trim().to_owned(),
        },
    };
    Ok(GuestRun {
        console: shell,
        log,
        end,
        wall: started.elapsed(),
        since_panic: panic.map(|panic| panic.elapsed()),
        boot: spoke.map(|spoke| spoke.duration_since(started)),
        command: command.quoted(),
    })
}

/// A folder for a guest's sockets. It is not in the cache, for a socket's path
/// has 108 bytes at the most (unix(7)). Its name tells whose it is, so that
/// those of xtasks that were killed are swept.
pub(super) fn socket_folder() -> Result<tempfile::TempDir> {
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

#[derive(Default)]
struct Watch {
    log: Vec<u8>,
    shell: Vec<u8>,
    stderr: Vec<u8>,
    /// When the kernel said that it panics.
    panic: Option<Instant>,
    /// When the first bytes came on the shell's channel.
    spoke: Option<Instant>,
    control: Option<Qmp>,
    guest_seconds: u32,
    still: u32,
}

impl Watch {
    /// Collects what the guest says until QEMU is gone (`None`) or the guest
    /// has to be ended.
    fn until_end(
        &mut self,
        events: &Receiver<Event>,
        limit: u32,
        heard: &mut dyn FnMut(&[u8]),
        qemu: &Guarded,
    ) -> Option<GuestEnd> {
        let mut next_sample = Instant::now() + FIRST_SAMPLE;
        loop {
            match events.recv_timeout(next_sample.saturating_duration_since(Instant::now())) {
                // The pipe of errors is held by QEMU and its guard alone.
                Ok(Event::End(Channel::Errors)) | Err(RecvTimeoutError::Disconnected) => {
                    return None;
                }
                Ok(event) => {
                    if let Event::Bytes(Channel::Shell, bytes) = &event {
                        heard(bytes);
                    }
                    self.take(event);
                }
                Err(RecvTimeoutError::Timeout) => {
                    next_sample = Instant::now() + SAMPLE;
                    if let Some(end) = self.sample(limit, qemu) {
                        return Some(end);
                    }
                }
            }
        }
    }

    /// Takes what is still under way when QEMU has gone.
    fn drain(&mut self, events: &Receiver<Event>) {
        // Ends when every channel's thread has.
        for event in events {
            self.take(event);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Bytes(Channel::Log, bytes) => {
                let seen = self.log.len().saturating_sub(PANIC.len());
                self.log.extend(bytes);
                let mut new = self.log[seen..].windows(PANIC.len());
                if self.panic.is_none() && new.any(|words| words == PANIC) {
                    self.panic = Some(Instant::now());
                }
            }
            Event::Bytes(Channel::Shell, bytes) => {
                self.spoke.get_or_insert_with(Instant::now);
                self.shell.extend(bytes);
            }
            Event::Bytes(Channel::Errors, bytes) => self.stderr.extend(bytes),
            Event::Control(stream) => self.control = Qmp::new(stream).ok(),
            Event::End(_) => {}
        }
    }

    /// Looks at the guest's clock.
    fn sample(&mut self, limit: u32, qemu: &Guarded) -> Option<GuestEnd> {
        let clock = self
            .control
            .as_mut()
            .and_then(|control| control.guest_seconds().ok());
        if clock.is_none() {
            // A QEMU that does not answer once is not asked again: it is
            // ending, or its threads will tell.
            self.control = None;
        }
        match clock {
            Some(now) if now > limit => {
                return Some(GuestEnd::OutOfTime {
                    guest_seconds: f64::from(now),
                });
            }
            Some(now) if now > self.guest_seconds => {
                self.guest_seconds = now;
                self.still = 0;
            }
            _ if runs(qemu.id()) => self.still = 0,
            _ => self.still += 1,
        }
        (self.still >= STUCK_SAMPLES).then_some(GuestEnd::Stuck)
    }
}

/// True if a thread of a child of `guard` is on a CPU or waits for one, by
/// `/proc/PID/task/TID/stat` (proc(5)).
fn runs(guard: u32) -> bool {
    let children = std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children"));
    let Ok(children) = children else {
        // Without CONFIG_PROC_CHILDREN in the host this cannot be told.
        return true;
    };
    children
        .split_whitespace()
        .filter_map(|child| std::fs::read_dir(format!("/proc/{child}/task")).ok())
        .flatten()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok())
        .any(|stat| {
            stat.rsplit_once(") ")
                .is_some_and(|(_, fields)| fields.starts_with(['R', 'D', 'T', 't']))
        })
}

/// Forwards what comes on the first connection, or, without a channel, the
/// connection itself.
pub(super) fn serve<E: From<Event>>(
    listener: &UnixListener,
    channel: Option<Channel>,
    sender: &Sender<E>,
) {
    let Ok((stream, _)) = listener.accept() else {
        return;
    };
    match channel {
        Some(channel) => forward(stream, channel, sender),
        None => drop(sender.send(Event::Control(stream).into())),
    }
}

/// Forwards all that can be read.
pub(super) fn forward<E: From<Event>>(
    mut from: impl std::io::Read,
    channel: Channel,
    sender: &Sender<E>,
) {
    let mut buffer = [0; 16 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(count) if count > 0 => {
                let bytes = Event::Bytes(channel, buffer[..count].to_vec());
                if sender.send(bytes.into()).is_err() {
                    return;
                }
            }
            _ => {
                drop(sender.send(Event::End(channel).into()));
                return;
            }
        }
    }
}
