//! The question of an interactive guest for its modules, built again, and the host's answer.
//!
//! Both go over [`CHANNEL`](crate::CHANNEL). The guest sends a line, [`REQUEST`] and a number. The host
//! answers with an [`Answer`] as postcard encodes it, behind its length: four bytes, the lowest
//! first. An answer that nobody waits for any more is read by the next request.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::GuestFile;

/// The word of the guest's question.
const REQUEST: &str = "reload ";

/// Maximum length of an answer in bytes.
pub const MAX_LENGTH: u32 = 64 << 20;

/// Returns the guest's question with this number.
pub fn request(number: u32) -> String {
    format!("{REQUEST}{number}\n")
}

/// Returns the number of a question; none for another line.
pub fn number_of(line: &str) -> Option<u32> {
    line.strip_prefix(REQUEST)?.trim_end().parse().ok()
}

/// The host's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The number of the question.
    pub number: u32,
    /// The modules, or the reason why there are none.
    pub modules: Rebuilt,
}

/// Modules that were built again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rebuilt {
    /// The modules, in an order in which they can be loaded.
    Modules(Vec<GuestFile>),
    /// The reason why they could not be built.
    Failed(String),
}

impl Answer {
    /// Writes the answer with its length.
    ///
    /// # Errors
    ///
    /// Fails if the answer is longer than [`MAX_LENGTH`] bytes, or if it cannot be written.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let bytes = crate::encode(self).map_err(io::Error::other)?;
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if length > MAX_LENGTH {
            return Err(io::Error::other("the modules are larger than 64 MiB"));
        }
        to.write_all(&length.to_le_bytes())?;
        to.write_all(&bytes)
    }

    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read, or if it is malformed or longer than [`MAX_LENGTH`] bytes.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > MAX_LENGTH {
            return Err(io::Error::other("the host's answer is too long"));
        }
        let mut bytes = vec![0; length as usize];
        from.read_exact(&mut bytes)?;
        crate::decode(&bytes).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_they_were_written() -> io::Result<()> {
        for modules in [
            Rebuilt::Failed("own.c:3: error".to_owned()),
            Rebuilt::Modules(vec![GuestFile::own("own.ko", [0, 1, 2])]),
        ] {
            let answer = Answer { number: 7, modules };
            let mut bytes = Vec::new();
            answer.write(&mut bytes)?;
            assert_eq!(Answer::read(&mut &bytes[..])?, answer);
            assert!(Answer::read(&mut &bytes[..bytes.len() - 1]).is_err());
        }
        assert!(Answer::read(&mut &u32::MAX.to_le_bytes()[..]).is_err());
        assert_eq!(number_of(&request(7)), Some(7));
        assert_eq!(number_of("reload all\n"), None);
        Ok(())
    }
}
