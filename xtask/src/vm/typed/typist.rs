//! Waits for a text in a stream and then says what is to be typed.

/// One turn of a conversation with a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// What the guest prints when it is ready. It should be something that is
    /// never typed, so that no echo can be taken for it.
    pub awaited: Vec<u8>,
    /// What is typed then.
    pub typed: Vec<u8>,
}

/// Goes through a conversation; it is fed with what the guest prints, in
/// pieces of any size.
#[derive(Debug)]
pub struct Typist<'a> {
    exchanges: std::slice::Iter<'a, Exchange>,
    next: Option<&'a Exchange>,
    /// Everything before it has been looked at.
    seen: usize,
}

impl<'a> Typist<'a> {
    /// A typist at the beginning of a conversation.
    pub fn new(exchanges: &'a [Exchange]) -> Self {
        let mut exchanges = exchanges.iter();
        let next = exchanges.next();
        Self {
            exchanges,
            next,
            seen: 0,
        }
    }

    /// What is to be typed now, if anything, when `printed` is all that the
    /// guest has printed so far. To be called until it returns `None`.
    pub fn read(&mut self, printed: &[u8]) -> Option<&'a [u8]> {
        let exchange = self.next?;
        let awaited = &exchange.awaited;
        let new = printed.get(self.seen..).unwrap_or_default();
        let found = new
            .windows(awaited.len().max(1))
            .position(|window| window == awaited);
        let Some(at) = found else {
            // The text may have begun.
            let open = awaited.len().saturating_sub(1);
            self.seen = self.seen.max(printed.len().saturating_sub(open));
            return None;
        };
        self.seen += at + awaited.len();
        self.next = self.exchanges.next();
        Some(&exchange.typed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchanges() -> Vec<Exchange> {
        ["one", "two", "two"]
            .iter()
            .enumerate()
            .map(|(number, text)| Exchange {
                awaited: format!("\nN0 {text}\n").into_bytes(),
                typed: number.to_string().into_bytes(),
            })
            .collect()
    }

    /// What is typed when the text comes in pieces of `size` bytes, and how
    /// much had been printed at each time.
    fn talk(printed: &[u8], size: usize) -> Vec<(usize, String)> {
        let exchanges = exchanges();
        let mut typist = Typist::new(&exchanges);
        let mut typed = Vec::new();
        for end in (0..=printed.len()).step_by(size) {
            while let Some(text) = typist.read(&printed[..end]) {
                typed.push((end, String::from_utf8_lossy(text).into_owned()));
            }
        }
        typed
    }

    #[test]
    fn each_text_is_answered_once_and_in_order() {
        let printed = b"\nN0 two\n x \nN0 one\n\nN0 two\n y \n\nN0 two\n\nN0 two\n";
        let expected = [(19, "0"), (27, "1"), (39, "2")];
        assert_eq!(
            talk(printed, 1),
            expected.map(|(at, typed)| (at, typed.to_owned()))
        );
    }

    #[test]
    fn pieces_of_any_size_make_the_same_conversation() {
        let printed = format!("\nN0 one\n{}\nN0 two\n\nN0 two\n   ", "\nN0 tw".repeat(50));
        for size in 1..printed.len() {
            let padded = printed.clone() + &" ".repeat(size);
            let typed: Vec<String> = talk(padded.as_bytes(), size)
                .into_iter()
                .map(|(_, typed)| typed)
                .collect();
            assert_eq!(typed, ["0", "1", "2"], "{size}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_answered() {
        for printed in ["", "N0 one\n", "\nN0 one \n", "\nN1 one\n", "\nN0 one\r\n"] {
            assert_eq!(talk(printed.as_bytes(), 1), [], "{printed:?}");
        }
    }
}
