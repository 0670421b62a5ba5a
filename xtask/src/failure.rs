//! Failures and their exit status.
//!
//! Functions return an [`anyhow::Error`]. If the cause decides the exit status, a [`Failure`] is
//! in the error's chain. An error without one is the host's fault: a full disk, a missing file,
//! a killed child.

use std::fmt;
use std::process::ExitCode;

/// The party that is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The lesson: it does not do what its text describes, or does not compile.
    Lesson,
    /// The command line: it asks for something that does not exist.
    Usage,
    /// The host: QEMU, the network, a missing package, the disk.
    Host,
    /// The user, who pressed Ctrl-C, or a signal that asks the program to end.
    Interrupted,
}

impl Fault {
    /// Returns the exit status of the program: 1, 2, 69 (`EX_UNAVAILABLE` of sysexits.h) or 130
    /// (128 + SIGINT).
    pub fn status(self) -> u8 {
        match self {
            Fault::Lesson => 1,
            Fault::Usage => 2,
            Fault::Host => 69,
            Fault::Interrupted => 130,
        }
    }
}

/// A message for the user, and the party at fault.
///
/// The message names what failed, the file or command on which it failed, and a remedy.
#[derive(Debug)]
pub struct Failure {
    /// The party at fault, which decides the exit status.
    pub fault: Fault,
    message: String,
}

impl Failure {
    /// Creates a failure that is a lesson's fault: status 1.
    pub fn lesson(message: impl Into<String>) -> Self {
        Self::of(Fault::Lesson, message)
    }

    /// Creates a failure that is the command line's fault: status 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::of(Fault::Usage, message)
    }

    /// Creates a failure that is the host's fault: status 69.
    pub fn host(message: impl Into<String>) -> Self {
        Self::of(Fault::Host, message)
    }

    /// Creates a failure that is the fault of this party.
    pub fn of(fault: Fault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Returns the party at fault by the outermost [`Failure`] in the chain of `error`.
pub fn fault_of(error: &anyhow::Error) -> Fault {
    // A Failure may be a context (anyhow's downcast finds those) or a cause.
    error
        .downcast_ref::<Failure>()
        .or_else(|| error.chain().find_map(|cause| cause.downcast_ref()))
        .map_or(Fault::Host, |failure: &Failure| failure.fault)
}

/// Returns the exit code for `error`.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(fault_of(error).status())
}

/// Returns true if a full disk or an exceeded quota caused `error`.
pub fn is_full_disk(error: &anyhow::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    error.chain().any(|cause| {
        let kind = cause.downcast_ref().map(std::io::Error::kind);
        matches!(kind, Some(StorageFull | QuotaExceeded))
            || cause.to_string().contains("No space left on device")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context as _, anyhow};

    #[test]
    fn a_failure_is_found_as_cause_and_as_context() {
        let cause = anyhow::Error::from(Failure::usage("no such lesson")).context("test");
        assert_eq!(fault_of(&cause), Fault::Usage);
        let context = Err::<(), _>(anyhow!("rustc failed"))
            .context(Failure::lesson("x does not compile"))
            .context("modules")
            .expect_err("an error");
        assert_eq!(fault_of(&context), Fault::Lesson);
        assert_eq!(fault_of(&anyhow!("disk full")), Fault::Host);
    }
}
