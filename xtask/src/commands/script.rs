//! The commands that `qemu` and `shell` run in a guest without a person: those of `--run`, or of a
//! standard input that is not a terminal.

use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use kmodlab_protocol::SCRIPT_FILE;

use crate::failure::Failure;
use crate::initramfs::GuestFile;

/// The commands for the guest's shell.
#[derive(Debug, Clone)]
pub struct GuestScript(Vec<u8>);

impl GuestScript {
    /// Returns the command of `--run`, or else the whole standard input if that is not a terminal;
    /// `None` for a person at a terminal.
    ///
    /// # Errors
    ///
    /// Fails if the standard input cannot be read.
    pub fn requested(command: Option<&str>) -> Result<Option<Self>> {
        if let Some(command) = command {
            return Ok(Some(Self(format!("{command}\n").into_bytes())));
        }
        let mut input = std::io::stdin();
        if input.is_terminal() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        input
            .read_to_end(&mut bytes)
            .context("cannot read commands from the standard input")?;
        Ok(Some(Self(bytes)))
    }

    /// Returns the guest's file with the commands.
    pub fn file(&self) -> GuestFile {
        GuestFile {
            path: SCRIPT_FILE.to_owned(),
            mode: 0o644,
            contents: self.0.clone(),
        }
    }
}

/// The status of a program that SIGPIPE has ended, in a shell.
const READER_GONE: u8 = 141;

/// Returns the exit status for the status of the last command, which the guest reported; without a report, the
/// reader of the output has gone.
///
/// # Errors
///
/// Fails with the lesson's fault if the report has no status.
pub fn exit_code(report: Option<&str>) -> Result<ExitCode> {
    let Some(report) = report else {
        return Ok(ExitCode::from(READER_GONE));
    };
    let status = report.lines().find_map(|line| {
        line.strip_prefix(kmodlab_protocol::SCRIPT_STATUS)?
            .parse::<u8>()
            .ok()
    });
    status.map(ExitCode::from).ok_or_else(|| {
        Failure::lesson("the guest ended before its commands did; its last messages are above")
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_status_is_passed_on() -> Result<()> {
        assert_eq!(
            exit_code(Some("x\nkmodlab: status 7\n"))?,
            ExitCode::from(7)
        );
        for report in ["", "kmodlab: status \n", "kmodlab: status 256\n"] {
            let error = exit_code(Some(report)).expect_err(report);
            assert_eq!(
                crate::failure::fault_of(&error),
                crate::failure::Fault::Lesson
            );
        }
        Ok(())
    }

    #[test]
    fn a_command_is_a_line_of_a_script() -> Result<()> {
        let script = GuestScript::requested(Some("insmod x.ko"))?.context("a script")?;
        assert_eq!(script.file().contents, b"insmod x.ko\n");
        Ok(())
    }
}
