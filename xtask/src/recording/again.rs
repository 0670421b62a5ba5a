//! A recording, played again and compared.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::{Manifest, Recording};
use crate::failure::Failure;
use crate::kernel::KernelImage;
use crate::lesson::compare::printed_lines;
use crate::lesson::record;
use crate::toolchain::Toolchain;
use crate::vm::{self, Console, Events, Gdb, Machine, Replayed, Snapshots};

/// A replay, and how it compares to its recording.
#[derive(Debug)]
pub struct Compared {
    /// What the guest said.
    pub replayed: Replayed,
    /// What differs first, in words; none if nothing does.
    pub difference: Option<String>,
}

/// Plays a recording again to its end, and compares byte by byte.
pub fn play_again(
    recording: &Recording,
    toolchain: &Toolchain,
    kernel: &KernelImage,
) -> Result<Compared> {
    recording.check(toolchain, kernel)?;
    let replayed = vm::run_again(toolchain, kernel, |folder, console| {
        recording.machine(folder, console)
    })?;
    let difference = first_difference("the kernel's log", &recording.log, &replayed.log)
        .or_else(|| first_difference("the shell's output", &recording.console, &replayed.console))
        .or_else(|| replayed.stopped.clone());
    Ok(Compared {
        replayed,
        difference,
    })
}

impl Recording {
    /// What was typed and printed, as a person reads it, out of the bytes of a
    /// shell's channel.
    pub fn session(&self, console: &[u8]) -> String {
        let record = record::read(&self.manifest.nonce, console);
        let mut session = String::new();
        for (command, step) in self.manifest.commands.iter().zip(record.steps) {
            let mut prompt = "$";
            for line in command.lines() {
                session.push_str(&format!("{prompt} {line}\n"));
                prompt = ">";
            }
            for line in printed_lines(&step.output) {
                session.push_str(&line);
                session.push('\n');
            }
        }
        session
    }

    /// Whether QEMU is the one that it was recorded with, and would be told
    /// the same: QEMU cannot tell, and does something else then.
    pub(super) fn check(&self, toolchain: &Toolchain, kernel: &KernelImage) -> Result<()> {
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
        let now = machine.command(toolchain, kernel);
        if now != *command {
            return Err(Failure::usage(format!(
                "it was recorded by another version of kmodlab, whose guests are other machines: \
                 replay it with that. It told QEMU\n    {command}\nand this one would tell it\n    \
                 {now}"
            ))
            .into());
        }
        Ok(())
    }

    /// The guest that plays it again, whose files are made in `folder`.
    pub(super) fn machine(&self, folder: &Path, console: Console) -> Result<Machine> {
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            std::fs::write(&path, bytes)
                .with_context(|| format!("cannot write {}", path.display()))?;
            anyhow::Ok(path)
        };
        let initrd = write("initrd", &self.initrd)?;
        let events = Events::Replayed {
            from: write("events", &self.events)?,
            snapshots: None,
        };
        Ok(Machine {
            console,
            ..self.manifest.machine.machine(&initrd, events)
        })
    }

    /// The same for a debugger at `socket`; with `snapshots`, for one that
    /// steps backwards.
    pub(super) fn debugged(
        &self,
        folder: &Path,
        console: Console,
        socket: &Path,
        snapshots: bool,
    ) -> Result<Machine> {
        let mut machine = self.machine(folder, console)?;
        machine.gdb = Some(Gdb::Socket(socket.to_owned()));
        if let Events::Replayed {
            snapshots: disk, ..
        } = &mut machine.events
            && snapshots
        {
            *disk = Some(Snapshots::empty(&folder.join("snapshots"))?.path);
        }
        Ok(machine)
    }
}

/// Where `replayed` is not what was `recorded`, and the lines there.
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
    fn the_first_difference_is_told_with_its_lines() {
        let told = |one: &str, other: &str| first_difference("x", one.as_bytes(), other.as_bytes());
        assert_eq!(told("a\nb\n", "a\nb\n"), None);
        assert_eq!(
            told("a\nbc\nd", "a\nbe\nd").expect("c is not e"),
            "x differs from byte 3 on, in line 2:\n    recorded  bc\n    replayed  be"
        );
        assert_eq!(
            told("a\nb\n", "a\n").expect("b is missing"),
            "x differs from byte 2 on, in line 2:\n    recorded  b\n    replayed  (nothing)"
        );
    }
}
