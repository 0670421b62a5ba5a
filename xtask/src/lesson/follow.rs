//! Which step a guest is at, told from its console while it plays.

/// The longest line that can be a note of a step's begin, in bytes.
const LONGEST: usize = 200;

/// Follows a console, piece by piece. What it tells is for a person who waits;
/// nothing is judged by it.
#[derive(Debug)]
pub struct Follower {
    /// How the note of a step's begin begins.
    begin: Vec<u8>,
    /// The line at hand, as far as it came.
    line: Vec<u8>,
}

impl Follower {
    /// Of a guest that plays with this nonce.
    pub fn new(nonce: &str) -> Self {
        Self {
            begin: format!("{nonce} step ").into_bytes(),
            line: Vec::new(),
        }
    }

    /// Takes what came on the console; returns the number, from 1, of the last
    /// step that began in it.
    pub fn hear(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut last = None;
        for byte in bytes {
            if *byte == b'\n' {
                last = self.step().or(last);
                self.line.clear();
            } else if self.line.len() <= LONGEST {
                self.line.push(*byte);
            }
        }
        last
    }

    fn step(&self) -> Option<usize> {
        let note = self.line.strip_prefix(&self.begin[..])?;
        let mut words = std::str::from_utf8(note).ok()?.split(' ');
        let number = words.next()?.parse().ok()?;
        (words.next() == Some("begin")).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_however_the_pieces_are_cut() {
        let console = b"\nN0 ready 1\n\nN0 step 1 begin 0 2.60\nout\nN0 step 1 end 0 2.7\n\
            \nN0 step 12 begin 0 2.8\n";
        for cut in 0..console.len() {
            let mut follower = Follower::new("N0");
            let first = follower.hear(&console[..cut]);
            let second = follower.hear(&console[cut..]);
            assert_eq!(second.or(first), Some(12), "{cut}");
        }
    }

    #[test]
    fn other_lines_tell_nothing() {
        let mut follower = Follower::new("N0");
        let rubbish = [b"\xff".repeat(1 << 20), b"\n".to_vec()].concat();
        assert_eq!(follower.hear(&rubbish), None);
        assert_eq!(
            follower.hear(b"x N0 step 1 begin 0 1\nN1 step 1 begin 0 1\n"),
            None
        );
        assert_eq!(
            follower.hear(b"N0 step x begin 0 1\nN0 step 1 end 0 1\n"),
            None
        );
        assert_eq!(follower.hear(b"N0 step 3 begin 0 1\n"), Some(3));
    }
}
