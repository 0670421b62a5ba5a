//! What comes from a guest on sockets, for one that is typed at.

use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::Sender;

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
