//! Detects a kernel's panic in its log.

use std::time::Instant;

/// The beginning of the kernel's panic message, after the timestamp. A message of a module has
/// the module's name in front.
const PANIC: &[u8] = b"] Kernel panic - not syncing";

/// The message of a panicking kernel that next writes its trace to the log.
const DUMP: &[u8] = b"] Dumping ftrace buffer:";

/// A search in a log that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct PanicDetector {
    seen: Option<Instant>,
    dumps_trace: bool,
    /// The last bytes, which may be the beginning of a message.
    tail: Vec<u8>,
}

impl PanicDetector {
    /// Reads the next bytes of the log; returns whether the panic message is in them and was
    /// not in those before.
    pub fn read(&mut self, bytes: &[u8]) -> bool {
        self.tail.extend(bytes);
        let has = |message: &[u8]| {
            self.tail
                .windows(message.len())
                .any(|bytes| bytes == message)
        };
        let new = self.seen.is_none() && has(PANIC);
        self.dumps_trace |= (new || self.seen.is_some()) && has(DUMP);
        if new {
            self.seen = Some(Instant::now());
        }
        let rest = PANIC.len().max(DUMP.len()) - 1;
        self.tail.drain(..self.tail.len().saturating_sub(rest));
        new
    }

    /// Returns the host's time at which the panic message was read.
    pub fn seen(&self) -> Option<Instant> {
        self.seen
    }

    /// Reports whether the kernel writes its trace to the log after the panic message.
    pub fn dumps_trace(&self) -> bool {
        self.dumps_trace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "[    1.4] x\r\n[    1.5] Kernel panic - not syncing: sysrq\r\n\
        [    1.6] Dumping ftrace buffer:\r\n";

    #[test]
    fn a_panic_is_noticed_once_in_pieces_of_any_size() {
        for size in 1..LOG.len() {
            let mut detector = PanicDetector::default();
            let pieces = LOG.as_bytes().chunks(size);
            let noticed = pieces.filter(|piece| detector.read(piece)).count();
            assert_eq!(noticed, 1, "{size}");
            assert!(detector.seen().is_some() && detector.dumps_trace());
        }
    }

    #[test]
    fn a_module_that_prints_of_a_panic_has_none() {
        let mut detector = PanicDetector::default();
        assert!(!detector.read(b"[    1.5] x: Kernel panic - not syncing\r\n"));
        assert!(!detector.read(b"[    1.6] Dumping ftrace buffer:\r\n"));
        assert!(detector.seen().is_none() && !detector.dumps_trace());
    }
}
