//! The limits of a guest's channels.

use kmodlab_protocol::OUTPUT_LIMIT;

use super::channels::Channel;

/// Maximum length of the kernel's log, in bytes: four times that of a module that prints ten
/// thousand lines, and seconds of the host's time for a module that prints without end.
const LOG: u64 = 2 << 20;

/// Maximum length of the kernel's trace in the kernel's log, in bytes: twice 15,000 lines, for a
/// kernel that stops twice.
const TRACE_DUMP: u64 = 8 << 20;

/// Maximum length of the agent's messages, in bytes: the commands' output, the trace, the kernel's
/// report of leaks and the guest's state.
const AGENT: u64 = 16 * OUTPUT_LIMIT;

/// Maximum length of the debug channel, in bytes: a line of 121 bytes for each of some thousand
/// delays.
const DEBUG: u64 = 2 << 20;

/// Maximum length of QEMU's standard error, in bytes. Some faults of a guest make QEMU print a
/// line each time.
const QEMU_ERRORS: u64 = 1 << 20;

/// Maximum number of QEMU's events: an ordinary guest causes none to three. A module that writes to
/// the port of the device pvpanic causes one each time, some hundred thousand a second.
pub const EVENTS: u64 = 1000;

/// The kernel's message before it writes its trace to its log, after the timestamp.
const DUMP: &[u8] = b"] Dumping ftrace buffer:";

/// Counts the bytes on a guest's channels.
#[derive(Debug, Default)]
pub(super) struct OutputMeter {
    log: u64,
    agent: u64,
    debug: u64,
    qemu_errors: u64,
    dumps_trace: bool,
    /// The log's last bytes, which may be the beginning of [`DUMP`].
    tail: Vec<u8>,
}

impl OutputMeter {
    /// Counts the next bytes of a channel; returns whether the channel is now above its limit.
    pub fn is_over(&mut self, channel: Channel, bytes: &[u8]) -> bool {
        let count = match channel {
            Channel::Log => &mut self.log,
            Channel::Agent => &mut self.agent,
            Channel::Debug => &mut self.debug,
            Channel::QemuErrors => &mut self.qemu_errors,
        };
        *count += bytes.len() as u64;
        let count = *count;
        if channel == Channel::Log {
            self.look_for_dump(bytes);
        }
        let dump = match channel {
            Channel::Log if self.dumps_trace => TRACE_DUMP,
            _ => 0,
        };
        count > limit(channel) + dump
    }

    fn look_for_dump(&mut self, bytes: &[u8]) {
        if self.dumps_trace {
            return;
        }
        self.tail.extend(bytes);
        self.dumps_trace = self.tail.windows(DUMP.len()).any(|bytes| bytes == DUMP);
        let surplus = self.tail.len().saturating_sub(DUMP.len() - 1);
        self.tail.drain(..surplus);
    }
}

/// Returns the maximum length of a channel, in bytes. The kernel's log may be longer by a trace.
pub fn limit(channel: Channel) -> u64 {
    match channel {
        Channel::Log => LOG,
        Channel::Agent => AGENT,
        Channel::Debug => DEBUG,
        Channel::QemuErrors => QEMU_ERRORS,
    }
}

/// Maximum number of bytes that are read of a channel's file: no channel may have more, but QEMU
/// writes on until it is stopped.
pub(super) const LONGEST: u64 = {
    assert!(AGENT >= LOG + TRACE_DUMP && AGENT >= DEBUG);
    AGENT + (1 << 20)
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_a_limit_of_its_own() {
        let channels = [
            Channel::Log,
            Channel::Agent,
            Channel::Debug,
            Channel::QemuErrors,
        ];
        let mut meter = OutputMeter::default();
        let full = |channel| vec![0; usize::try_from(limit(channel)).expect("it fits")];
        for channel in channels {
            assert!(!meter.is_over(channel, &full(channel)));
        }
        for channel in channels {
            assert!(meter.is_over(channel, b"x"));
        }
    }

    #[test]
    fn a_log_with_a_trace_may_be_longer() {
        let long = vec![b'x'; usize::try_from(LOG).expect("it fits")];
        for size in 1..DUMP.len() {
            let mut meter = OutputMeter::default();
            for piece in DUMP.chunks(size) {
                assert!(!meter.is_over(Channel::Log, piece));
            }
            assert!(!meter.is_over(Channel::Log, &long));
            for _ in 0..TRACE_DUMP / LOG {
                assert!(!meter.is_over(Channel::Log, &long[DUMP.len()..]));
            }
            assert!(meter.is_over(Channel::Log, &long));
        }
    }
}
