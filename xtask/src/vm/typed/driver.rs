//! What is done about each thing that can happen to a guest.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use super::super::guest_run::GuestEnd;
use super::super::qmp;
use super::super::sockets::{Channel, Event};
use super::typist::Typist;
use super::{News, Talk, keyboard};

/// How long QEMU may take for its own end, or to tell the guest's clock. It
/// does both at once; see `FIRST_SAMPLE` of the guests that play by themselves.
const PATIENCE: Duration = Duration::from_secs(2);

/// The first and the last line of a kernel that stops. One that is told to
/// reset then (`panic=-1`) is gone some milliseconds later.
const PANIC: &[u8] = b"Kernel panic - not syncing";
const STOPPED: &[u8] = b"---[ end Kernel panic - not syncing";

/// Why the driver has let go of a guest.
#[derive(Debug)]
pub enum Stopped {
    /// QEMU is gone.
    ByItself,
    /// The driver wants it to be ended.
    By(GuestEnd),
    /// QEMU has stopped the guest and would stay so for ever; KVM that cannot
    /// run a guest shows itself in this way.
    Halted,
}

/// All that a guest said, and when it was typed at.
pub struct Said {
    /// On its serial line.
    pub log: Vec<u8>,
    /// On its console.
    pub shell: Vec<u8>,
    /// QEMU itself.
    pub stderr: Vec<u8>,
    /// When each exchange was typed.
    pub typed: Vec<Instant>,
    /// When the kernel said that it panics, if it did.
    pub panic: Option<Instant>,
    /// When the console said its first word.
    pub spoke: Option<Instant>,
}

/// What the driver does when nothing comes before its deadline.
#[derive(Debug, Clone, Copy, PartialEq)]
enum WaitingFor {
    /// The guest may have reached its limit: ask.
    Limit,
    /// QEMU does not tell the guest's clock: no use to wait on.
    Clock,
    /// The guest is over, QEMU is not: it is not needed any more.
    End,
    /// The kernel has stopped and nothing ends the guest.
    Reset,
}

/// Takes what happens, one by one, and types when it is time to.
pub struct Driver<'a> {
    typist: Typist<'a>,
    heard: &'a mut dyn FnMut(&[u8]),
    limit: u32,
    log: Vec<u8>,
    shell: Vec<u8>,
    stderr: Vec<u8>,
    /// Where in the log the line is that is not whole yet.
    line: usize,
    /// When a line came that says that the kernel panics.
    panic: Option<Instant>,
    /// When the first bytes came on the console.
    spoke: Option<Instant>,
    typed: Vec<Instant>,
    keyboard: Option<Sender<Vec<u8>>>,
    control: Option<UnixStream>,
    sender: Sender<News>,
    waiting: WaitingFor,
    deadline: Instant,
}

impl<'a> Driver<'a> {
    /// A driver that has to `talk`; what it starts to listen to tells
    /// `sender`.
    pub fn new(talk: Talk<'a>, limit: u32, sender: Sender<News>) -> Self {
        Self {
            typist: Typist::new(talk.exchanges),
            heard: talk.heard,
            limit,
            log: Vec::new(),
            shell: Vec::new(),
            stderr: Vec::new(),
            line: 0,
            panic: None,
            spoke: None,
            typed: Vec::new(),
            keyboard: None,
            control: None,
            sender,
            waiting: WaitingFor::Limit,
            // The guest's clock is never ahead of the wall's.
            deadline: Instant::now() + Duration::from_secs(limit.into()),
        }
    }

    /// Types until QEMU is gone or the guest has to be ended.
    pub fn until_end(&mut self, news: &Receiver<News>) -> Stopped {
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

    /// Takes what is still under way when QEMU has gone; that ends when every
    /// stream's thread has.
    pub fn rest(self, news: Receiver<News>) -> Said {
        let Self {
            mut log,
            mut shell,
            mut stderr,
            typed,
            panic,
            spoke,
            sender,
            control,
            keyboard,
            ..
        } = self;
        drop((sender, control, keyboard));
        for one in news {
            match one {
                News::Guest(Event::Bytes(Channel::Log, bytes)) => log.extend(bytes),
                News::Guest(Event::Bytes(Channel::Shell, bytes)) => shell.extend(bytes),
                News::Guest(Event::Bytes(Channel::Errors, bytes)) => stderr.extend(bytes),
                _ => {}
            }
        }
        Said {
            log,
            shell,
            stderr,
            typed,
            panic,
            spoke,
        }
    }

    fn wait(&mut self, waiting: WaitingFor, time: Duration) {
        if self.waiting == WaitingFor::End {
            return; // nothing else is of interest
        }
        self.waiting = waiting;
        self.deadline = Instant::now() + time;
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Bytes(Channel::Shell, bytes) => {
                self.spoke.get_or_insert_with(Instant::now);
                (self.heard)(&bytes);
                self.shell.extend(bytes);
                self.answer();
            }
            Event::Bytes(Channel::Log, bytes) => {
                self.log.extend(bytes);
                if self.kernel_stopped() {
                    self.wait(WaitingFor::Reset, PATIENCE);
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

    /// Whether the lines have come that say so; only a line's message counts,
    /// so a module that talks of a panic has none.
    fn kernel_stopped(&mut self) -> bool {
        let new = &self.log[self.line..];
        let Some(end) = new.iter().rposition(|byte| *byte == b'\n') else {
            return false;
        };
        let mut stopped = false;
        for line in new[..end].split(|byte| *byte == b'\n') {
            let message = match (line.first(), line.windows(2).position(|two| two == b"] ")) {
                (Some(b'['), Some(bracket)) => &line[bracket + 2..],
                _ => line,
            };
            if message.starts_with(PANIC) {
                self.panic.get_or_insert_with(Instant::now);
            }
            stopped |= self.panic.is_some() && message.starts_with(STOPPED);
        }
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
            Some("SHUTDOWN" | "RESET") => self.wait(WaitingFor::End, PATIENCE),
            Some("GUEST_PANICKED") => self.wait(WaitingFor::Reset, PATIENCE),
            // A guest that ends is stopped too, after its SHUTDOWN.
            Some("STOP") if self.waiting != WaitingFor::End => return Some(Stopped::Halted),
            _ => {}
        }
        let clock = qmp::seconds(word["return"].clone()).ok()?;
        if clock > self.limit {
            return Some(Stopped::By(GuestEnd::OutOfTime {
                guest_seconds: f64::from(clock),
            }));
        }
        if self.waiting == WaitingFor::Clock {
            let left = self.limit + 1 - clock;
            self.wait(WaitingFor::Limit, Duration::from_secs(left.into()));
        }
        None
    }

    /// Nothing came in the time that it should have.
    fn give_up(&mut self) -> Option<Stopped> {
        match self.waiting {
            WaitingFor::Limit => {
                self.wait(WaitingFor::Clock, PATIENCE);
                let request = qmp::request("qom-get", &qmp::clock());
                if let Some(control) = &mut self.control {
                    // No answer is an answer too.
                    let _ = control.write_all(request.as_bytes());
                }
                None
            }
            WaitingFor::End => Some(Stopped::By(GuestEnd::Ended)),
            WaitingFor::Clock | WaitingFor::Reset => Some(Stopped::By(GuestEnd::Stuck)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// What the driver thinks after these events, of a guest that may live for
    /// an hour; `None` if it waits on.
    fn drive(events: Vec<News>) -> (WaitingFor, Option<Stopped>) {
        let (sender, news) = channel();
        let talk = Talk {
            exchanges: &[],
            heard: &mut |_| (),
        };
        let mut driver = Driver::new(talk, 3600, sender.clone());
        for event in events {
            sender.send(event).expect("the receiver is there");
        }
        let end = Event::End(Channel::Errors);
        sender.send(end.into()).expect("the receiver is there");
        let stopped = match driver.until_end(&news) {
            Stopped::ByItself => None,
            stopped => Some(stopped),
        };
        (driver.waiting, stopped)
    }

    fn log(text: &str) -> News {
        News::Guest(Event::Bytes(Channel::Log, text.as_bytes().to_vec()))
    }

    fn control(event: &str) -> News {
        News::Control(json!({"event": event, "data": {}}))
    }

    const PANIC_LINES: &str = "[    1.5] Kernel panic - not syncing: sysrq\r\n\
        [    1.6] ---[ end Kernel panic - not syncing: sysrq ]---\r\n";

    #[test]
    fn a_kernel_that_has_stopped_is_noticed_in_pieces_of_any_size() {
        for size in 1..PANIC_LINES.len() {
            let pieces = PANIC_LINES.as_bytes().chunks(size);
            let events = pieces.map(|piece| log(&String::from_utf8_lossy(piece)));
            let (waiting, stopped) = drive(events.collect());
            assert_eq!(waiting, WaitingFor::Reset, "{size}");
            assert!(stopped.is_none());
        }
    }

    #[test]
    fn who_talks_of_a_panic_has_none() {
        for text in [
            "[    1.5] x: Kernel panic - not syncing\n[    1.6] x: ---[ end Kernel panic - not syncing\n",
            "[    1.6] ---[ end Kernel panic - not syncing: sysrq ]---\n",
            "[    1.5] Kernel panic - not syncing: sysrq\n[    1.6] ---[ end Kernel panic - not syncing",
        ] {
            assert_eq!(drive(vec![log(text)]).0, WaitingFor::Limit, "{text}");
        }
    }

    #[test]
    fn a_guest_that_is_stopped_by_qemu_is_lost_unless_it_has_ended() {
        let (_, stopped) = drive(vec![control("STOP")]);
        assert!(matches!(stopped, Some(Stopped::Halted)), "{stopped:?}");
        let events = ["SHUTDOWN", "STOP"].map(control);
        let (waiting, stopped) = drive(events.into());
        assert!(stopped.is_none(), "{stopped:?}");
        assert_eq!(waiting, WaitingFor::End);
        // The log comes on another channel, and may come later.
        let events = [control("SHUTDOWN"), log(PANIC_LINES), control("STOP")];
        let (waiting, stopped) = drive(events.into());
        assert!(stopped.is_none(), "{stopped:?}");
        assert_eq!(waiting, WaitingFor::End);
    }

    #[test]
    fn a_clock_past_the_limit_ends_the_guest() {
        let date = |hour| {
            let date =
                json!({"tm_mon": 0, "tm_mday": 1, "tm_hour": hour, "tm_min": 0, "tm_sec": 1});
            News::Control(json!({"return": date}))
        };
        assert!(drive(vec![date(0)]).1.is_none());
        let (_, stopped) = drive(vec![date(1)]);
        let Some(Stopped::By(GuestEnd::OutOfTime { guest_seconds })) = stopped else {
            panic!("{stopped:?}");
        };
        assert!((guest_seconds - 3601.0).abs() < 0.1);
    }
}
