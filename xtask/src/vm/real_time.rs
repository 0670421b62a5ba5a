//! Types commands at a guest in real time, as expect(1) does.
//!
//! The agent asks for each command and reports its end; a thread answers. How the guest ends
//! is seen as for every other guest, in [`run`](super::run::run).

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::Sender;
use std::time::Instant;

use expectrl::process::NonBlocking;
use expectrl::session::Session;
use expectrl::{Error, Expect as _, Regex};
use kmodlab_protocol::{Message, Tag, frame, typed};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::channels::{Channel, Event};

/// Commands for a guest in real time.
#[derive(Debug, Clone)]
pub struct TypedCommands {
    /// Marks the messages of the guest's agent.
    pub tag: Tag,
    /// The commands.
    pub commands: Vec<String>,
    /// Receives the time at which each is typed.
    pub typed: Sender<Instant>,
}

/// Accepts the guest's connection, and types each command when the agent asks for it. Sends
/// all bytes of the channel.
pub(super) fn type_commands(
    listener: &UnixListener,
    commands: &TypedCommands,
    sender: &Sender<Event>,
) {
    let Ok((stream, _)) = listener.accept() else {
        return;
    };
    let stream = GuestStream {
        stream,
        sender: sender.clone(),
        blocking: true,
    };
    // A guest that is gone is reported by QEMU's end.
    let _ = converse(stream, commands);
}

fn converse(stream: GuestStream, commands: &TypedCommands) -> Result<(), Error> {
    let mut session = Session::new((), stream)?;
    // The guest has a time limit of its own.
    session.set_expect_timeout(None);
    for (number, command) in (1..).zip(&commands.commands) {
        let mut request = Vec::new();
        let message = Message::AwaitsCommand { number };
        frame::write(commands.tag, &message, &mut request);
        session.expect(pattern(&request))?;
        let _ = commands.typed.send(Instant::now());
        session.send(typed::line(command))?;
    }
    session.expect(expectrl::Eof).map(drop)
}

/// Returns the pattern of these bytes. Patterns of other types than text are private to expectrl.
fn pattern(bytes: &[u8]) -> Regex<String> {
    let letters = bytes.iter().map(|byte| format!("\\x{byte:02x}"));
    Regex(letters.fold("(?s-u)".to_owned(), |pattern, letter| pattern + &letter))
}

/// The agent's channel, which also sends every byte to the event loop.
///
/// expectrl reads without a pause until the awaited bytes come, which would keep one of the
/// host's CPUs busy: a read waits up to 5 ms for bytes.
struct GuestStream {
    stream: UnixStream,
    sender: Sender<Event>,
    blocking: bool,
}

const READ_PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 5_000_000,
};

impl Read for GuestStream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if !self.blocking {
            let mut files = [PollFd::new(&self.stream, PollFlags::IN)];
            if poll(&mut files, Some(&READ_PATIENCE))? == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
        }
        let count = self.stream.read(buffer)?;
        if count > 0 {
            let bytes = buffer[..count].to_vec();
            let _ = self.sender.send(Event::Output(Channel::Agent, bytes));
        }
        Ok(count)
    }
}

impl Write for GuestStream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

impl NonBlocking for GuestStream {
    fn set_blocking(&mut self, on: bool) -> std::io::Result<()> {
        self.blocking = on;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead as _;
    use std::sync::mpsc::channel;

    use super::*;

    const TAG: Tag = Tag::BOOT;

    #[test]
    fn each_command_is_typed_when_the_guest_asks_for_it() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("agent");
        let listener = UnixListener::bind(&path)?;
        let (sender, events) = channel();
        let (typed_sender, typed) = channel();
        let commands = TypedCommands {
            tag: TAG,
            commands: vec!["true".to_owned(), "a\nb".to_owned()],
            typed: typed_sender,
        };
        let typist = std::thread::spawn(move || type_commands(&listener, &commands, &sender));
        let mut guest = UnixStream::connect(&path)?;
        let mut lines = std::io::BufReader::new(guest.try_clone()?).lines();
        let mut sent = Vec::new();
        for number in 1..=2 {
            let mut bytes = b"noise".to_vec();
            frame::write(TAG, &Message::AwaitsCommand { number }, &mut bytes);
            // In two pieces.
            let (first, second) = bytes.split_at(9);
            guest.write_all(first)?;
            guest.write_all(second)?;
            sent.extend(bytes);
            let line = lines.next().transpose()?.unwrap_or_default();
            assert_eq!(line, ["true", "a\\nb"][number as usize - 1]);
        }
        guest.shutdown(std::net::Shutdown::Both)?;
        typist.join().expect("it ends");
        assert_eq!(typed.iter().count(), 2);
        let received: Vec<u8> = events
            .iter()
            .flat_map(|event| match event {
                Event::Output(Channel::Agent, bytes) => bytes,
                _ => Vec::new(),
            })
            .collect();
        assert_eq!(received, sent);
        Ok(())
    }
}
