//! Messages between the host and the agent, process 1 of a guest that runs a transcript.
//!
//! The host gives a guest two documents: an [`Assignment`], the same for every run of a test
//! case, and [`RunOptions`], which differ between runs. They lie in the guest's initramfs
//! ([`ASSIGNMENT_FILE`]), or in QEMU's fw_cfg device where the guest resumes from a snapshot
//! ([`firmware`]). The agent answers with [`Message`]s on one channel ([`CHANNEL`]), which no
//! other process can open; [`frame`] has their encoding. In real time the host also types
//! commands on that channel ([`typed`]). In an interactive guest, a command asks there for modules
//! ([`reload`]).
//!
//! Nothing else in kmodlab spells these names and formats.

pub mod firmware;
pub mod frame;
mod message;
pub mod reload;
pub mod typed;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use frame::Tag;
pub use message::{CodeSection, Entry, Message, Registration, State, Task, Uptime};

/// The device file of the virtio serial port that the agent writes its messages to. Only one
/// process can have it open (`port_fops_open` in drivers/char/virtio_console.c).
pub const CHANNEL: &str = "/dev/vport0p1";

/// The number of that port. The kernel keeps port 0 for a console.
pub const CHANNEL_PORT: u32 = 1;

/// The environment variable that names another device file for the channel. The kernel gives
/// process 1 every parameter `NAME=value` of its command line that it does not know itself.
pub const CHANNEL_VARIABLE: &str = "KMODLAB_CHANNEL";

/// The channel of a guest that is recorded or replayed: its second serial line.
pub const SERIAL_CHANNEL: &str = "/dev/ttyS1";

/// The folder of kmodlab's own files in a guest. The agent loads the modules that lie here
/// before a lesson comes.
pub const FOLDER: &str = "/kmodlab";

/// The module that reports what other modules leave registered with the kernel
/// (`modules/tools/kmodlab_tracker`), one of those in [`FOLDER`].
pub const TRACKER: &str = "kmodlab_tracker";

/// Its parameter with the report: a [`Registration`] in each line.
pub const TRACKER_FILE: &str = "/sys/module/kmodlab_tracker/parameters/left";

/// The file with a guest's assignment and run options, in a guest that boots for one run.
pub const ASSIGNMENT_FILE: &str = "/kmodlab/assignment";

/// The text that an interactive guest prints before its first prompt.
pub const BANNER_FILE: &str = "/etc/kmodlab/banner";

/// The commands of an interactive guest that nobody types in. The agent runs them in a shell, and
/// the guest ends with them.
pub const SCRIPT_FILE: &str = "/etc/kmodlab/script";

/// The beginning of the line, on QEMU's debug console, with the exit status of these commands.
pub const SCRIPT_STATUS: &str = "kmodlab: status ";

/// The environment variable that is set for the shell of these commands.
pub const SCRIPT_VARIABLE: &str = "KMODLAB_SCRIPT";

/// The I/O port of QEMU's debug console (`isa-debugcon`).
pub const DEBUG_PORT: u64 = 0xe9;

/// The line that the agent writes to the kernel's log when it starts.
pub const INIT_REACHED: &str = "kmodlab: init reached";

/// The line that the agent writes to the kernel's log when the guest is ready for a lesson.
/// The first such line is the agent's: no code of a lesson has run before.
pub const READY: &str = "kmodlab: ready";

/// The beginning of the agent's markers in the kernel's trace for steps; a number and `begin` or
/// `end` follow.
pub const TRACE_STEP: &str = "kmodlab: step ";

/// The beginning of the agent's marker in the kernel's trace with the PID of the shell.
pub const TRACE_SHELL: &str = "kmodlab: shell ";

/// The name under which the agent loads a module, as `insmod` does.
pub const INSMOD: &str = "insmod";

/// The environment variable with the rows of an interactive guest's terminal.
pub const ROWS_VARIABLE: &str = "KMODLAB_ROWS";
/// The environment variable with its columns.
pub const COLUMNS_VARIABLE: &str = "KMODLAB_COLUMNS";

/// Maximum length of the output of all commands of a run, in bytes: ten times that of the
/// longest lesson. A run whose commands print more ends with a verdict of its own.
pub const OUTPUT_LIMIT: u64 = 1 << 20;

/// The I/O port of QEMU's device pvpanic (docs/specs/pvpanic.rst).
pub const SNAPSHOT_PORT: u64 = 0x505;

/// The byte that asks, at [`SNAPSHOT_PORT`], for the guest to be stopped and saved.
pub const SNAPSHOT_REQUEST: u8 = 1;

/// The tests that a guest runs: everything that is the same for each run of a test case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Marks the agent's messages.
    pub tag: Tag,
    /// The commands.
    pub commands: Commands,
    /// The run's time limit, in seconds of the guest's clock.
    pub limit_seconds: u32,
    /// More files for the guest, the test case's module among them.
    pub files: Vec<GuestFile>,
    /// Whether the kernel is built to find leaks. The agent reports it if it then cannot.
    pub finds_leaks: bool,
    /// Whether the kernel records a trace during the run.
    pub traces: bool,
    /// Whether the agent asks for a snapshot once this assignment is ready to start.
    pub snapshot: bool,
}

/// The source of a run's commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Commands {
    /// These, one after the other.
    Given(Vec<String>),
    /// The host types this many, one after the other.
    Typed(u32),
}

/// A file in a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestFile {
    /// Its absolute path in the guest.
    pub path: String,
    /// Its permission bits.
    pub mode: u32,
    /// Its bytes.
    #[serde(with = "serde_bytes")]
    pub contents: Vec<u8>,
}

impl GuestFile {
    /// Returns a file of kmodlab's own, in [`FOLDER`].
    pub fn own(name: &str, contents: impl Into<Vec<u8>>) -> Self {
        Self {
            path: format!("{FOLDER}/{name}"),
            mode: 0o644,
            contents: contents.into(),
        }
    }
}

/// The options in which runs of one assignment differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOptions {
    /// A file in the guest and the text to write into it right before the lesson.
    pub setting: Option<Setting>,
    /// Whether the agent reports the trace after the run. The guest executes the same
    /// instructions up to then, whichever it is.
    pub reports_trace: bool,
}

/// A module parameter to set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The module.
    pub module: String,
    /// The name of the parameter.
    pub parameter: String,
    /// The value to write.
    pub value: String,
}

/// An assignment with the options of one run, as [`ASSIGNMENT_FILE`] holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SingleRun {
    /// The assignment.
    pub assignment: Assignment,
    /// The options.
    pub options: RunOptions,
}

/// An error of a document or message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(postcard::Error);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "a document of kmodlab's protocol is malformed: {}",
            self.0
        )
    }
}

impl std::error::Error for Error {}

/// Encodes a document.
///
/// # Errors
///
/// None for the types of this crate.
pub fn encode<T: Serialize>(document: &T) -> Result<Vec<u8>, Error> {
    postcard::to_allocvec(document).map_err(Error)
}

/// Decodes a document. Bytes after its end are ignored.
///
/// # Errors
///
/// If the bytes are not an encoded `T`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    postcard::take_from_bytes(bytes)
        .map(|(document, _)| document)
        .map_err(Error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_survive_a_round_trip() {
        let run = SingleRun {
            assignment: Assignment {
                tag: Tag::from_bytes(*b"0123456789abcdef"),
                commands: Commands::Given(vec!["true".to_owned(), "echo \0ä\nb".to_owned()]),
                limit_seconds: 120,
                files: vec![GuestFile::own("x.ko", vec![0, 255])],
                finds_leaks: true,
                traces: false,
                snapshot: true,
            },
            options: RunOptions {
                setting: Some(Setting {
                    module: "perturb".to_owned(),
                    parameter: "order".to_owned(),
                    value: "f+1,g+2".to_owned(),
                }),
                reports_trace: true,
            },
        };
        let mut bytes = encode(&run).expect("it can be encoded");
        bytes.extend([0; 100]);
        assert_eq!(decode::<SingleRun>(&bytes), Ok(run));
        assert!(decode::<SingleRun>(&bytes[..40]).is_err());
    }
}
