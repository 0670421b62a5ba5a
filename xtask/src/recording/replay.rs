//! Replays a recording and compares.

use anyhow::Result;
use kmodlab_protocol::Tag;

use super::{Manifest, Recording};
use crate::failure::Failure;
use crate::kernel::KernelImage;
use crate::lesson::record;
use crate::session::Session;
use crate::toolchain::Toolchain;
use crate::vm::{self, Channels, Debugger, Hardware, ReplayedRun, explain_full_disk};

/// A replay, compared with its recording.
#[derive(Debug)]
pub struct ComparedReplay {
    /// The replay.
    pub replayed: ReplayedRun,
    /// The first difference, in words; none if there is none.
    pub difference: Option<String>,
}

/// Replays a recording to its end, and compares byte by byte.
///
/// # Errors
///
/// If the recording needs another QEMU or another version of kmodlab, or QEMU cannot be started.
pub fn replay(
    session: &Session,
    recording: &Recording,
    toolchain: &Toolchain,
    kernel: &KernelImage,
) -> Result<ComparedReplay> {
    let hardware = recording.check(session, toolchain, kernel)?;
    let channels = Channels::new()?;
    let machine = recording
        .machine(&hardware, &channels, Debugger::None)
        .map_err(explain_full_disk)?;
    let replayed = vm::replay::replay(toolchain, kernel, &machine, channels)?;
    let difference = first_difference("the kernel's log", &recording.log, &replayed.log)
        .or_else(|| first_difference("the agent's channel", &recording.agent, &replayed.agent))
        .or_else(|| replayed.stopped.clone());
    Ok(ComparedReplay {
        replayed,
        difference,
    })
}

impl Recording {
    /// Formats the commands and their output, in the bytes of an agent's channel, as a person
    /// sees them at a terminal.
    pub fn session(&self, agent: &[u8]) -> String {
        let tag: Tag = self.manifest.tag;
        let record = record::read(tag, agent);
        let commands = self.manifest.commands.iter().map(String::as_str);
        record::session(commands, &record.steps)
    }

    /// Checks that QEMU is the one that the recording was made with, and gets the same command
    /// line: QEMU does not notice a difference, and does something else then. Returns the guest's
    /// hardware.
    pub(super) fn check(
        &self,
        session: &Session,
        toolchain: &Toolchain,
        kernel: &KernelImage,
    ) -> Result<Hardware> {
        let Manifest {
            qemu,
            machine,
            command,
            ..
        } = &self.manifest;
        if *qemu != toolchain.qemu_version {
            return Err(Failure::host(format!(
                "it was recorded with QEMU {qemu}, and this is QEMU {}, which would do other \
                 things at other times: replay it where QEMU is {qemu}",
                toolchain.qemu_version
            ))
            .into());
        }
        let hardware = machine.hardware(session)?;
        let now = machine.command(&hardware, toolchain, kernel);
        if now != *command {
            return Err(Failure::usage(format!(
                "it was recorded by another version of kmodlab, whose guests are other machines: \
                 replay it with that. Its command line for QEMU was\n    {command}\nand this \
                 version's is\n    {now}"
            ))
            .into());
        }
        Ok(hardware)
    }
}

/// Returns a description of the first byte in which the two differ, with its lines.
fn first_difference(what: &str, recorded: &[u8], replayed: &[u8]) -> Option<String> {
    if recorded == replayed {
        return None;
    }
    let same = std::iter::zip(recorded, replayed)
        .take_while(|(one, other)| one == other)
        .count();
    let before = &recorded[..same];
    let number = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let begin = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let line = |bytes: &[u8]| match bytes.get(begin..) {
        Some(rest) if !rest.is_empty() => {
            let line = rest.split(|byte| *byte == b'\n').next();
            String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
        }
        _ => "(nothing)".to_owned(),
    };
    Some(format!(
        "{what} differs from byte {same} on, in line {number}:\n    recorded  {}\n    replayed  {}",
        line(recorded),
        line(replayed)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_described_with_its_lines() {
        let described =
            |one: &str, other: &str| first_difference("x", one.as_bytes(), other.as_bytes());
        assert_eq!(described("a\nb\n", "a\nb\n"), None);
        assert_eq!(
            described("a\nbc\nd", "a\nbe\nd").expect("c is not e"),
            "x differs from byte 3 on, in line 2:\n    recorded  bc\n    replayed  be"
        );
        assert_eq!(
            described("a\nb\n", "a\n").expect("b is missing"),
            "x differs from byte 2 on, in line 2:\n    recorded  b\n    replayed  (nothing)"
        );
    }
}
