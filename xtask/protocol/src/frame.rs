//! The encoding of messages on the channel.
//!
//! A frame is a [`Tag`], the length of its contents in four bytes, little-endian, and the
//! contents: a [`Message`](crate::Message) in postcard's format. Nothing in a guest but the
//! agent has the tag. So bytes that are not a frame, on a channel that others can write to,
//! are skipped up to the next tag.

use serde::{Deserialize, Serialize};

use crate::{Message, decode, encode};

/// Sixteen bytes that mark the messages of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag([u8; Tag::BYTES]);

impl Tag {
    /// Its length.
    pub const BYTES: usize = 16;

    /// The tag of messages that an agent writes before it has an assignment.
    pub const BOOT: Self = Self(*b"kmodlab boots \r\n");

    /// Returns the tag with these bytes.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// Bytes before a frame's contents.
const HEADER: usize = Tag::BYTES + 4;

/// The longest contents of a frame, in bytes: longer ones are a mistake or a forgery.
pub const LONGEST: usize = 64 << 20;

/// Appends a message's frame to `bytes`.
pub fn write(tag: Tag, message: &Message, bytes: &mut Vec<u8>) {
    // The types of this crate can always be encoded.
    let contents = encode(message).unwrap_or_default();
    let length = u32::try_from(contents.len()).unwrap_or(u32::MAX);
    bytes.extend(tag.bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(contents);
}

/// Reads messages from the pieces in which a channel delivers them.
#[derive(Debug)]
pub struct Reader {
    tag: Tag,
    bytes: Vec<u8>,
    /// The bytes before this index have been read.
    start: usize,
}

impl Reader {
    /// Returns a reader of the messages with this tag.
    pub fn new(tag: Tag) -> Self {
        Self {
            tag,
            bytes: Vec::new(),
            start: 0,
        }
    }

    /// Adds the next bytes of the channel.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend(bytes);
    }
}

impl Iterator for Reader {
    type Item = Message;

    /// Returns the next message that is whole; `None` until more bytes come.
    fn next(&mut self) -> Option<Message> {
        loop {
            let rest = &self.bytes[self.start..];
            let tag = self.tag.bytes();
            let Some(at) = rest.windows(Tag::BYTES).position(|bytes| bytes == tag) else {
                // The last bytes may be the beginning of a tag.
                self.start += rest.len().saturating_sub(Tag::BYTES - 1);
                return None;
            };
            self.start += at;
            let rest = &rest[at..];
            match contents(rest) {
                Contents::Incomplete => return None,
                Contents::Whole(contents) => {
                    let length = HEADER + contents.len();
                    if let Ok(message) = decode::<Message>(contents) {
                        self.start += length;
                        return Some(message);
                    }
                    self.start += Tag::BYTES;
                }
                Contents::Cut => self.start += Tag::BYTES,
            }
        }
    }
}

/// The contents of the frame at the beginning of some bytes.
enum Contents<'a> {
    Whole(&'a [u8]),
    /// The rest may still come.
    Incomplete,
    /// The rest will never come: another frame begins before the end of this one, or its
    /// length is not one of a frame.
    Cut,
}

fn contents(bytes: &[u8]) -> Contents<'_> {
    let tag = &bytes[..Tag::BYTES];
    let Some(length) = bytes.get(Tag::BYTES..HEADER) else {
        return Contents::Incomplete;
    };
    let length = length
        .iter()
        .rev()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    let end = HEADER + length;
    // No message has the tag in it, and the next frame begins at the end of this one.
    let until_next = bytes.len().min(end + Tag::BYTES - 1);
    let mut windows = bytes[HEADER..until_next].windows(Tag::BYTES);
    if length > LONGEST || windows.any(|bytes| bytes == tag) {
        Contents::Cut
    } else {
        match bytes.get(HEADER..end) {
            Some(contents) => Contents::Whole(contents),
            None => Contents::Incomplete,
        }
    }
}

/// Reads all messages that are whole in a channel's bytes.
pub fn read(tag: Tag, bytes: &[u8]) -> Vec<Message> {
    let mut reader = Reader::new(tag);
    reader.push(bytes);
    reader.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Uptime;

    const TAG: Tag = Tag(*b"0123456789abcdef");

    fn messages() -> Vec<Message> {
        vec![
            Message::StepBegan {
                number: 1,
                at: Uptime(1_500_000_000),
            },
            Message::Output(vec![0, 255, b'\n']),
            Message::StepEnded {
                number: 1,
                at: Uptime(u64::MAX),
                status: 3,
            },
        ]
    }

    fn frames() -> Vec<u8> {
        let mut bytes = Vec::new();
        for message in messages() {
            write(TAG, &message, &mut bytes);
        }
        bytes
    }

    #[test]
    fn messages_are_read_in_pieces_of_any_size() {
        let bytes = frames();
        for size in 1..=bytes.len() {
            let mut reader = Reader::new(TAG);
            let mut read = Vec::new();
            for piece in bytes.chunks(size) {
                reader.push(piece);
                read.extend(reader.by_ref());
            }
            assert_eq!(read, messages(), "{size}");
        }
    }

    #[test]
    fn a_message_that_is_cut_anywhere_is_left_out() {
        let bytes = frames();
        let mut complete = 0;
        for end in 0..bytes.len() {
            let read = read(TAG, &bytes[..end]);
            assert!(read.len() < 3 && read.len() >= complete);
            assert_eq!(read[..], messages()[..read.len()]);
            complete = read.len();
        }
        assert_eq!(complete, 2);
    }

    #[test]
    fn a_cut_message_does_not_hide_the_next() {
        let mut first = Vec::new();
        write(TAG, &Message::Output(vec![b'x'; 1000]), &mut first);
        for end in 0..first.len() {
            let bytes = [&first[..end], &frames()].concat();
            assert_eq!(read(TAG, &bytes), messages(), "{end}");
        }
    }

    #[test]
    fn other_bytes_and_other_tags_are_skipped() {
        let mut forged = Vec::new();
        let other = Tag(*b"0123456789abcdeX");
        write(other, &Message::ShellEnded { status: 0 }, &mut forged);
        let bytes = [
            b"hello 0123456789",
            &forged[..],
            &frames(),
            b"0123456789abcdef\xff\xff\xff\xff",
            &frames(),
        ]
        .concat();
        let twice = [messages(), messages()].concat();
        assert_eq!(read(TAG, &bytes), twice);
    }

    #[test]
    fn contents_that_are_not_a_message_are_skipped() {
        let nonsense = [&TAG.0[..], &2_u32.to_le_bytes(), &[0xff, 0xff]].concat();
        let bytes = [nonsense, frames()].concat();
        assert_eq!(read(TAG, &bytes), messages());
    }
}
