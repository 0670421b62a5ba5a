//! The key of a course, and the choices that follow from it: a student's variant of an exercise,
//! and the seeds of its schedules.
//!
//! A choice is `HMAC-SHA256(key, purpose ‖ student ‖ exercise ‖ name)`: nobody without the key
//! predicts it, and whoever has the key finds the same choice again, years later.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::failure::Failure;

/// Shortest key, in bytes.
const SHORTEST: usize = 16;

/// The key of a course.
#[derive(Clone)]
pub struct CourseKey(Vec<u8>);

impl std::fmt::Debug for CourseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CourseKey(..)")
    }
}

impl CourseKey {
    /// Reads a key from a file. White space at its end does not belong to the key.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if the file cannot be read, or is too short for a key.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path)
            .with_context(|| Failure::usage(format!("cannot read the key {}", path.display())))?;
        let key = bytes.trim_ascii_end();
        ensure!(
            key.len() >= SHORTEST,
            Failure::usage(format!(
                "the key {} has {} bytes; a key has at least {SHORTEST}",
                path.display(),
                key.len()
            ))
        );
        Ok(Self(key.to_owned()))
    }

    /// Returns a number below `choices`, which is at least 1, for these words.
    pub fn choose(&self, words: &[&str], choices: usize) -> usize {
        let choices = u64::try_from(choices).unwrap_or(u64::MAX).max(1);
        // The bias of a remainder of 64 bits is below 2^-50 for any list of values.
        usize::try_from(self.number(words) % choices).unwrap_or(0)
    }

    /// Returns a number for these words.
    fn number(&self, words: &[&str]) -> u64 {
        let digest = self.digest(words);
        let first = digest.first_chunk().copied().unwrap_or_default();
        u64::from_be_bytes(first)
    }

    /// Returns the authentication code of words. The length of each is a part of the text, so that
    /// two lists of words cannot be taken for one.
    fn digest(&self, words: &[&str]) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0);
        // HMAC takes keys of any length.
        let mut mac = mac.unwrap_or_else(|_| unreachable!("a key of any length"));
        for word in words {
            mac.update(&(word.len() as u64).to_be_bytes());
            mac.update(word.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    /// Returns the first seed of an exercise's schedules, which is the same for all students: at
    /// least 1, and small enough for a part's other seeds to follow.
    pub fn first_seed(&self, exercise: &str) -> u32 {
        const SEEDS: u64 = 1 << 30;
        let number = self.number(&["schedules", exercise]) % SEEDS;
        1 + u32::try_from(number).unwrap_or(0)
    }
}

/// Returns a new key, as text: 64 hexadecimal digits of the system's random numbers.
///
/// # Errors
///
/// Fails if the system gives none.
pub fn new_key() -> Result<String> {
    use std::io::Read as _;
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> CourseKey {
        CourseKey(text.as_bytes().to_owned())
    }

    #[test]
    fn a_digest_is_hmac_sha256() {
        // Test case 2 of RFC 4231, with the length of the text before it.
        let digest = key("Jefe").digest(&["what do ya want for nothing?"]);
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").expect("a key");
        mac.update(b"\0\0\0\0\0\0\0\x1cwhat do ya want for nothing?");
        assert_eq!(digest, <[u8; 32]>::from(mac.finalize().into_bytes()));
        let mut plain = Hmac::<Sha256>::new_from_slice(b"Jefe").expect("a key");
        plain.update(b"what do ya want for nothing?");
        let plain: [u8; 32] = plain.finalize().into_bytes().into();
        assert_eq!(plain[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }

    #[test]
    fn choices_differ_by_key_and_words_and_stay() {
        let choices = |key: &CourseKey, exercise: &str| -> Vec<usize> {
            let students = (0..64).map(|number| format!("student{number}"));
            students
                .map(|student| key.choose(&[&student, exercise], 4))
                .collect()
        };
        let one = choices(&key("0123456789abcdef"), "a/1-b");
        assert_eq!(one, choices(&key("0123456789abcdef"), "a/1-b"));
        assert_ne!(one, choices(&key("0123456789abcdeg"), "a/1-b"));
        assert_ne!(one, choices(&key("0123456789abcdef"), "a/2-b"));
        assert!((0..4).all(|value| one.contains(&value)));
        let key = key("0123456789abcdef");
        assert_ne!(key.digest(&["ab", "c"]), key.digest(&["a", "bc"]));
    }

    #[test]
    fn seeds_leave_room() {
        for exercise in 0..100 {
            let seed = key("0123456789abcdef").first_seed(&exercise.to_string());
            assert!((1..=1 << 30).contains(&seed));
        }
    }

    #[test]
    fn a_short_key_is_refused() -> Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), "0123456789abcde\n")?;
        assert!(CourseKey::read(file.path()).is_err());
        std::fs::write(file.path(), new_key()? + "\n")?;
        assert_eq!(CourseKey::read(file.path())?.0.len(), 64);
        Ok(())
    }
}
