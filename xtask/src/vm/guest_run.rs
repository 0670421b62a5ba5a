//! What a guest leaves behind when it is over.

use std::time::Duration;

/// The two channels of a guest, how it ended and how long it took.
#[derive(Debug, Clone)]
pub struct GuestRun {
    /// All bytes of the virtio console: the shell's output.
    pub console: Vec<u8>,
    /// All bytes of the serial line: the kernel's log.
    pub log: Vec<u8>,
    /// What a module told the host (`kernel_ext::stop::tell_host`); nothing of a
    /// guest that was typed at.
    pub debug: Vec<u8>,
    /// How it ended.
    pub end: GuestEnd,
    /// The host's time from QEMU's start to its end.
    pub wall: Duration,
    /// The host's time from the kernel's panic line to QEMU's end, if there
    /// was one; not told of a guest that was typed at.
    pub since_panic: Option<Duration>,
    /// The part of it until the guest said its first word on its console, or
    /// was first typed at; none if it never came to that.
    pub boot: Option<Duration>,
    /// QEMU's command line, quoted for a shell.
    pub command: String,
}

/// How a guest ended.
#[derive(Debug, Clone, PartialEq)]
pub enum GuestEnd {
    /// QEMU ended by itself with status 0: the guest powered off or reset.
    Ended,
    /// The host stopped it: the guest's clock passed the limit.
    OutOfTime {
        /// The guest's clock then.
        guest_seconds: f64,
    },
    /// The host stopped it: the guest's clock stood still and nothing ran.
    Stuck,
    /// QEMU itself failed.
    QemuFailed {
        /// Its exit status, in words.
        status: String,
        /// What it said.
        stderr: String,
    },
}
