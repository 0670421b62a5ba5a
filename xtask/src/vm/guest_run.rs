//! The results of a guest that has ended.

use std::time::Duration;

use super::channels::Channel;

/// The channels of a guest, how it ended and how long it took.
#[derive(Debug, Clone)]
pub struct GuestRun {
    /// All bytes of the agent's channel.
    pub agent: Vec<u8>,
    /// All bytes of the serial line: the kernel's log.
    pub log: Vec<u8>,
    /// The output of `perturb` (`report` in modules/tools/perturb/stop.rs).
    pub debug: Vec<u8>,
    /// The standard error of QEMU.
    pub qemu_errors: String,
    /// How the guest ended.
    pub end: GuestEnd,
    /// The reason for which the host interrupted it, if it did.
    pub interruption: Option<Interruption>,
    /// The host's time from QEMU's start to its end.
    pub wall: Duration,
    /// The host's time from the kernel's panic message to QEMU's end, if there was one.
    pub since_panic: Option<Duration>,
    /// The host's time from QEMU's start to the agent's first message, if there was one.
    pub boot: Option<Duration>,
    /// QEMU's command line, quoted for a shell.
    pub command: String,
}

/// How a guest ended.
#[derive(Debug, Clone, PartialEq)]
pub enum GuestEnd {
    /// QEMU ended by itself with status 0: the guest was reset.
    Ended,
    /// The host stopped it: the guest's clock passed the limit.
    OutOfTime {
        /// The guest's clock then, in seconds.
        guest_seconds: f64,
    },
    /// The host stopped it: the guest's clock stood still and nothing ran.
    Stuck,
    /// The host stopped it: a channel had more bytes than its limit.
    OutputLimit(Channel),
    /// The host stopped it: it caused more events of QEMU than their limit.
    EventLimit {
        /// The name of the last event that was read.
        event: String,
    },
    /// QEMU itself failed.
    QemuFailed {
        /// Its exit status, in words.
        status: String,
        /// Its standard error.
        stderr: String,
    },
}

/// The reason for which the host sends a guest a non-maskable interrupt. The kernel answers it
/// with a panic, and a report of what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// All CPUs had their interrupts disabled.
    Uninterruptible,
    /// A module's code kept a CPU busy and did not return.
    Busy,
}
