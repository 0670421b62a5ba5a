//! A guest in real time that is typed at, as expect(1) does it.
//!
//! Everything that can happen comes through one channel, from a thread for
//! each of the guest's streams: nothing is polled, and nothing is slept for.
//! That a guest is dead is told by an event too: QEMU ends or says so on its
//! control channel, or the kernel says on the log that it has stopped. What
//! hangs without a word has a limit on the guest's own clock. Only for a QEMU
//! that answers no more does the wall's clock count.
//!
//! Why this is not one of the crates for it: with a guest's console as the
//! stream, rexpect 0.7 needs 100 ms for a command, since it sleeps so long
//! between two looks; expectrl 0.9 looks without a pause, which keeps one of
//! the guest's cores busy. Neither can wait for a second stream meanwhile, on
//! which a guest says that it is dead. (Median of 200 `true`: rexpect
//! 100 ms, expectrl 8 ms, this 1 ms.)

mod driver;
mod typist;

use std::io::Write as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::guest_run::{GuestEnd, GuestRun};
use super::machine::{Console, Machine};
use super::running::{no_room, socket_folder};
use super::sockets::{Channel, Event, forward, serve};
use crate::kernel::KernelImage;
use crate::toolchain::Toolchain;

use driver::{Driver, Said, Stopped};
pub use typist::Exchange;

/// What became of a guest that was typed at.
#[derive(Debug, Clone)]
pub struct TypedRun {
    /// What it left behind.
    pub run: GuestRun,
    /// When each exchange was typed, of those that were.
    pub typed: Vec<Instant>,
}

/// What the driver waits for.
enum News {
    Guest(Event),
    /// The guest's console is there: the end that is written to.
    Keyboard(UnixStream),
    /// QEMU said something on its control channel.
    Control(Value),
}

impl From<Event> for News {
    fn from(event: Event) -> Self {
        News::Guest(event)
    }
}

/// What is said to a guest, and who hears its answers.
pub struct Talk<'a> {
    /// What is typed at its console, in this order.
    pub exchanges: &'a [Exchange],
    /// Gets what comes on the console, piece by piece.
    pub heard: &'a mut dyn FnMut(&[u8]),
}

/// Runs a guest and types at its console, exchange by exchange, until it ends,
/// or until its clock passes `limit` seconds. `machine` returns the guest, in
/// real time, for a folder of sockets.
pub fn run_typed(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    limit: u32,
    talk: Talk<'_>,
    machine: impl FnOnce(&Path) -> Result<Machine>,
) -> Result<TypedRun> {
    let folder = socket_folder()?;
    let machine = machine(folder.path()).map_err(no_room)?;
    debug_assert!(matches!(machine.console, Console::Sockets { .. }));
    let (sender, news) = channel();
    let listen = |name: &str| {
        let path = folder.path().join(name);
        UnixListener::bind(&path).with_context(|| format!("cannot listen on {}", path.display()))
    };
    let [log, shell, control] = [listen("log")?, listen("shell")?, listen("control")?];
    let to = sender.clone();
    std::thread::spawn(move || serve(&log, Some(Channel::Log), &to));
    let to = sender.clone();
    std::thread::spawn(move || console(&shell, &to));
    let to = sender.clone();
    std::thread::spawn(move || serve(&control, None, &to));
    let (errors, errors_writer) = std::io::pipe().context("cannot make a pipe")?;
    let started = Instant::now();
    let command = machine.command(toolchain, kernel);
    let mut qemu = command.spawn(Stdio::null(), Stdio::from(errors_writer))?;
    let to = sender.clone();
    std::thread::spawn(move || forward(errors, Channel::Errors, &to));
    let mut driver = Driver::new(talk, limit, sender);
    let stopped = driver.until_end(&news);
    let status = qemu.end()?;
    // A QEMU that failed at its start has left listeners that wait for it.
    for name in ["log", "shell", "control"] {
        let _ = UnixStream::connect(folder.path().join(name));
    }
    let Said {
        log,
        shell,
        stderr,
        typed,
        panic,
        spoke,
    } = driver.rest(news);
    crate::process::park_if_interrupted();
    let stderr = || String::from_utf8_lossy(&stderr).trim().to_owned();
    let end = match stopped {
        Stopped::By(end) => end,
        Stopped::Halted => GuestEnd::QemuFailed {
            status: "it stopped the guest for an error of its own".to_owned(),
            stderr: stderr(),
        },
        Stopped::ByItself if status.success() => GuestEnd::Ended,
        Stopped::ByItself => GuestEnd::QemuFailed {
            status: status.to_string(),
            stderr: stderr(),
        },
    };
    Ok(TypedRun {
        run: GuestRun {
            debug: Vec::new(),
            console: shell,
            log,
            end,
            wall: started.elapsed(),
            since_panic: panic.map(|panic| panic.elapsed()),
            boot: spoke.map(|spoke| spoke.duration_since(started)),
            command: command.quoted(),
        },
        typed,
    })
}

/// Forwards what comes on the guest's console, and first its other end.
fn console(listener: &UnixListener, sender: &Sender<News>) {
    let Ok((stream, _)) = listener.accept() else {
        return;
    };
    if let Ok(other) = stream.try_clone() {
        let _ = sender.send(News::Keyboard(other));
    }
    forward(stream, Channel::Shell, sender);
}

/// A guest reads as fast as it likes; meanwhile the driver must be free.
fn keyboard(mut stream: UnixStream) -> Sender<Vec<u8>> {
    let (sender, texts) = channel::<Vec<u8>>();
    std::thread::spawn(move || {
        for text in texts {
            if stream.write_all(&text).is_err() {
                return;
            }
        }
    });
    sender
}
