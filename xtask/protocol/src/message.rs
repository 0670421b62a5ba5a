//! The messages themselves.

use serde::{Deserialize, Serialize};

/// Nanoseconds since the guest booted, by its CLOCK_BOOTTIME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Uptime(pub u64);

impl Uptime {
    /// Returns the same in seconds.
    pub fn seconds(self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a guest lives for hours at most"
        )]
        let nanoseconds = self.0 as f64;
        nanoseconds / 1e9
    }
}

/// An event in the guest that the agent reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// The guest has booted and is ready for a lesson, in this state. The agent wrote
    /// [`READY`](crate::READY) to the kernel's log at this time.
    Ready {
        /// The time.
        at: Uptime,
        /// The state.
        state: State,
    },
    /// The run starts.
    Started {
        /// The time.
        at: Uptime,
        /// The kernel's count of timer ticks, where it looks for leaks.
        jiffies: Option<u64>,
    },
    /// The agent waits until the host types the command of this step, from 1.
    AwaitsCommand {
        /// The step's number.
        number: u32,
    },
    /// A step began.
    StepBegan {
        /// Its number, from 1.
        number: u32,
        /// The time.
        at: Uptime,
    },
    /// A step ended.
    StepEnded {
        /// Its number, from 1.
        number: u32,
        /// The time.
        at: Uptime,
        /// The command's exit status.
        status: u8,
    },
    /// The commands printed these bytes since the last such message.
    Output(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Code of a module, seen after a step.
    Code(CodeSection),
    /// The guest could not use this, although its kernel is built for it.
    Unavailable(String),
    /// The run reached its time limit.
    TimedOut {
        /// The time.
        at: Uptime,
    },
    /// The commands printed more than [`OUTPUT_LIMIT`](crate::OUTPUT_LIMIT). Of the output since
    /// the last message [`Output`](Self::Output), only the beginning is such a message.
    OutputLimit {
        /// The time.
        at: Uptime,
        /// The last bytes of the output.
        #[serde(with = "serde_bytes")]
        last: Vec<u8>,
    },
    /// The shell that runs the commands ended, with this exit status as a shell counts it:
    /// 128 and the signal's number if a signal ended it.
    ShellEnded {
        /// The status.
        status: i32,
    },
    /// The kernel's report of memory that nothing points to: the contents of
    /// `/sys/kernel/debug/kmemleak`.
    Leaks(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The kernel's trace: the contents of `/sys/kernel/tracing/trace`.
    Trace(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The run is over; it left the guest in this state.
    Finished {
        /// The state.
        state: State,
    },
}

/// The state of a guest that must be the same before and after a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Names of the loaded modules.
    pub modules: Vec<String>,
    /// In the state after a run, the tasks that the state before did not have, and the kernel's
    /// workers that do not wait for work.
    pub tasks: Vec<Task>,
    /// In the state after a run, the entries in the kernel's file systems and lists that the
    /// state before did not have.
    pub entries: Vec<Entry>,
    /// In the state after a run, what removed modules left registered with the kernel.
    pub registrations: Vec<Registration>,
    /// The contents of `/proc/sys/kernel/tainted`, if it could be read.
    pub taint: Option<u64>,
    /// The warnings and oopses since boot, as the kernel counts them in `/sys/kernel/warn_count`
    /// and `oops_count`, if it does.
    pub complaints: Option<u64>,
    /// The memory in KiB that is free or that files and programs use, by `/proc/meminfo`: all
    /// but the kernel's own.
    pub memory_kib: Option<u64>,
}

/// An entry in a file system or a list of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Entry {
    /// A path below `/proc` or `/sys`.
    Path(String),
    /// A line of a file such as `/proc/devices`.
    Line {
        /// The file.
        file: String,
        /// The line, without numbers that change.
        line: String,
    },
}

/// A task of the guest, as `/proc/PID/stat` and `/proc/PID/stack` describe it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Task {
    /// Its number.
    pub pid: u32,
    /// Its whole name.
    pub name: String,
    /// The letter of its state.
    pub state: char,
    /// Whether the kernel started it, as opposed to a program.
    pub is_kernel_thread: bool,
    /// Its stack, the innermost function first: `FUNCTION+OFFSET/SIZE`, with ` [MODULE]` behind
    /// it for a function of a module. It ends early at code that the kernel does not know.
    pub stack: Vec<String>,
}

/// Something that a removed module left registered with the kernel, as
/// [`TRACKER`](crate::TRACKER) reports it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Registration {
    /// The kind: `timer`, `hrtimer`, `delayed_work`, `work`, `kprobe` or `cache`.
    pub kind: String,
    /// The module.
    pub module: String,
    /// The function that the kernel would call, or the name of a cache.
    pub name: String,
}

impl Registration {
    /// Parses a line of the report: the kind, the module and the name.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        Some(Self {
            kind: words.next()?,
            module: words.next()?,
            name: words.next()?,
        })
    }
}

/// Code of a module in the guest's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeSection {
    /// The module's name.
    pub module: String,
    /// The section's name in the `.ko` file: `.text`.
    pub section: String,
    /// The address of its first byte.
    pub address: u64,
    /// The module's size in bytes; the section is not longer.
    pub size: u64,
}
