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

mod typist;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::batch::{Channel, Event, forward, serve, socket_folder};
use super::guest_run::{GuestEnd, GuestRun};
use super::machine::{Console, Machine};
use super::qmp;
use crate::kernel::KernelImage;
use crate::toolchain::Toolchain;

pub use typist::Exchange;
use typist::Typist;

/// How long QEMU may take for its own end, or to tell the guest's clock. It
/// does both at once; see `FIRST_SAMPLE` of the guests that play by themselves.
const PATIENCE: Duration = Duration::from_secs(2);

/// The last line of a kernel that has stopped. One that is told to reset then
/// (`panic=-1`) is gone some milliseconds later.
const STOPPED: &[u8] = b"---[ end Kernel panic - not syncing";

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

/// Runs a guest and types at its console, exchange by exchange, until it ends,
/// or until its clock passes `limit` seconds. `machine` returns the guest, in
/// real time, for a folder of sockets.
pub fn run_typed(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    limit: u32,
    exchanges: &[Exchange],
    machine: impl FnOnce(&Path) -> Result<Machine>,
) -> Result<TypedRun> {
    let folder = socket_folder()?;
    let machine = machine(folder.path())?;
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
    let mut qemu = machine
        .command(toolchain, kernel)
        .spawn(Stdio::null(), Stdio::from(errors_writer))?;
    let to = sender.clone();
    std::thread::spawn(move || forward(errors, Channel::Errors, &to));
    let mut driver = Driver::new(exchanges, limit, sender);
    let stopped = driver.until_end(&news);
    let status = qemu.end()?;
    // A QEMU that failed at its start has left listeners that wait for it.
    for name in ["log", "shell", "control"] {
        let _ = UnixStream::connect(folder.path().join(name));
    }
    let Driver {
        mut log,
        mut shell,
        mut stderr,
        typed,
        sender,
        control,
        keyboard,
        ..
    } = driver;
    // What is still under way ends when every channel's thread has.
    drop((sender, control, keyboard));
    for one in news {
        if let News::Guest(Event::Bytes(channel, bytes)) = one {
            match channel {
                Channel::Log => log.extend(bytes),
                Channel::Shell => shell.extend(bytes),
                Channel::Errors => stderr.extend(bytes),
            }
        }
    }
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
            console: shell,
            log,
            end,
            wall: started.elapsed(),
        },
        typed,
    })
}

/// Why the driver has let go of a guest.
#[derive(Debug)]
enum Stopped {
    /// QEMU is gone.
    ByItself,
    /// The driver wants it to be ended.
    By(GuestEnd),
    /// QEMU has stopped the guest and would stay so for ever; KVM that cannot
    /// run a guest shows itself in this way.
    Halted,
}

/// What the driver does when nothing comes before its deadline.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Waiting {
    /// The guest may have reached its limit: ask.
    ForLimit,
    /// QEMU does not tell the guest's clock: no use to wait on.
    ForClock,
    /// The guest is over, QEMU is not: it is not needed any more.
    ForEnd,
    /// The kernel has stopped and nothing ends the guest.
    ForReset,
}

struct Driver<'a> {
    typist: Typist<'a>,
    limit: u32,
    log: Vec<u8>,
    shell: Vec<u8>,
    stderr: Vec<u8>,
    /// Where in the log the line is that is not whole yet.
    line: usize,
    typed: Vec<Instant>,
    keyboard: Option<Sender<Vec<u8>>>,
    control: Option<UnixStream>,
    sender: Sender<News>,
    waiting: Waiting,
    deadline: Instant,
}

impl<'a> Driver<'a> {
    fn new(exchanges: &'a [Exchange], limit: u32, sender: Sender<News>) -> Self {
        Self {
            typist: Typist::new(exchanges),
            limit,
            log: Vec::new(),
            shell: Vec::new(),
            stderr: Vec::new(),
            line: 0,
            typed: Vec::new(),
            keyboard: None,
            control: None,
            sender,
            waiting: Waiting::ForLimit,
            // The guest's clock is never ahead of the wall's.
            deadline: Instant::now() + Duration::from_secs(limit.into()),
        }
    }

    /// Types until QEMU is gone or the guest has to be ended.
    fn until_end(&mut self, news: &Receiver<News>) -> Stopped {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let stopped = match news.recv_timeout(left) {
                // The pipe of errors is held by QEMU and its guard alone.
                Ok(News::Guest(Event::End(Channel::Errors)))
                | Err(RecvTimeoutError::Disconnected) => Some(Stopped::ByItself),
                Ok(News::Guest(event)) => {
                    self.take(event);
                    None
                }
                Ok(News::Keyboard(stream)) => {
                    self.keyboard = Some(keyboard(stream));
                    None
                }
                Ok(News::Control(word)) => self.hear(&word),
                Err(RecvTimeoutError::Timeout) => self.give_up(),
            };
            if let Some(stopped) = stopped {
                return stopped;
            }
        }
    }

    fn wait(&mut self, waiting: Waiting, time: Duration) {
        if self.waiting == Waiting::ForEnd {
            return; // nothing else is of interest
        }
        self.waiting = waiting;
        self.deadline = Instant::now() + time;
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Bytes(Channel::Shell, bytes) => {
                self.shell.extend(bytes);
                self.answer();
            }
            Event::Bytes(Channel::Log, bytes) => {
                self.log.extend(bytes);
                if self.kernel_stopped() {
                    self.wait(Waiting::ForReset, PATIENCE);
                }
            }
            Event::Bytes(Channel::Errors, bytes) => self.stderr.extend(bytes),
            Event::Control(stream) => self.control = self.listen(stream).ok(),
            Event::End(_) => {}
        }
    }

    /// Types what the guest is ready for.
    fn answer(&mut self) {
        while let Some(text) = self.typist.read(&self.shell) {
            self.typed.push(Instant::now());
            if let Some(keyboard) = &self.keyboard {
                // A guest that is gone is told of by QEMU's end.
                let _ = keyboard.send(text.to_vec());
            }
        }
    }

    /// Whether a line has come that says so; only a line's message counts, so
    /// a module that talks of a panic has none.
    fn kernel_stopped(&mut self) -> bool {
        let new = &self.log[self.line..];
        let Some(end) = new.iter().rposition(|byte| *byte == b'\n') else {
            return false;
        };
        let stopped = new[..end].split(|byte| *byte == b'\n').any(|line| {
            let message = match (line.first(), line.windows(2).position(|two| two == b"] ")) {
                (Some(b'['), Some(bracket)) => &line[bracket + 2..],
                _ => line,
            };
            message.starts_with(STOPPED)
        });
        self.line += end + 1;
        stopped
    }

    /// Begins to listen to QEMU's control channel.
    fn listen(&self, mut stream: UnixStream) -> Result<UnixStream> {
        stream.set_write_timeout(Some(PATIENCE))?;
        let words = BufReader::new(stream.try_clone()?);
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            for line in words.lines().map_while(Result::ok) {
                let Ok(word) = serde_json::from_str(&line) else {
                    return;
                };
                if sender.send(News::Control(word)).is_err() {
                    return;
                }
            }
        });
        let hello = qmp::request("qmp_capabilities", &json!({}));
        stream.write_all(hello.as_bytes())?;
        Ok(stream)
    }

    /// Hears what QEMU says: an event, the guest's clock, or a greeting.
    fn hear(&mut self, word: &Value) -> Option<Stopped> {
        match word["event"].as_str() {
            Some("SHUTDOWN" | "RESET") => self.wait(Waiting::ForEnd, PATIENCE),
            Some("GUEST_PANICKED") => self.wait(Waiting::ForReset, PATIENCE),
            // A guest that ends is stopped too, after its SHUTDOWN.
            Some("STOP") if self.waiting != Waiting::ForEnd => return Some(Stopped::Halted),
            _ => {}
        }
        let clock = qmp::seconds(word["return"].clone()).ok()?;
        if clock > self.limit {
            return Some(Stopped::By(GuestEnd::OutOfTime {
                guest_seconds: f64::from(clock),
            }));
        }
        if self.waiting == Waiting::ForClock {
            let left = self.limit + 1 - clock;
            self.wait(Waiting::ForLimit, Duration::from_secs(left.into()));
        }
        None
    }

    /// Nothing came in the time that it should have.
    fn give_up(&mut self) -> Option<Stopped> {
        match self.waiting {
            Waiting::ForLimit => {
                self.wait(Waiting::ForClock, PATIENCE);
                let request = qmp::request("qom-get", &qmp::clock());
                if let Some(control) = &mut self.control {
                    // No answer is an answer too.
                    let _ = control.write_all(request.as_bytes());
                }
                None
            }
            Waiting::ForEnd => Some(Stopped::By(GuestEnd::Ended)),
            Waiting::ForClock | Waiting::ForReset => Some(Stopped::By(GuestEnd::Stuck)),
        }
    }
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
