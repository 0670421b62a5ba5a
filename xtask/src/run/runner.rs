//! Runs a transcript in a guest: in virtual time, recorded, or in real time.

mod real_time;

use anyhow::{Context as _, Result, anyhow};
use kmodlab_protocol::{
    ASSIGNMENT_FILE, Assignment, Commands, GuestFile, Message, RunOptions, SingleRun, Tag, encode,
    frame,
};

use super::start::GuestStart;
use crate::lesson::assignment::{AssignmentOptions, assignment};
use crate::lesson::judge::Evidence;
use crate::lesson::transcript::Transcript;
use crate::pipeline::Built;
use crate::session::Session;
use crate::vm::{
    self, Boot, Channels, CommandKind, GuestRun, Hardware, Machine, NotResumed, PackedAssignment,
    RunInputs, Snapshot, VirtualClock, explain_full_disk,
};

/// Seconds that a guest may run longer than its lesson: for its boot, and for its report of a
/// time-out.
const GRACE: u32 = 60;

/// Runs transcripts in guests that share a build and a start.
#[derive(Debug, Clone, Copy)]
pub struct Runner<'a> {
    /// The session.
    pub session: &'a Session,
    /// The kernel and modules.
    pub built: &'a Built,
    /// The start of guests in virtual time.
    pub start: &'a GuestStart,
}

/// A transcript for a guest in virtual time.
#[derive(Debug, Clone)]
pub(super) struct Script<'a> {
    pub transcript: &'a Transcript,
    /// More files for the guest.
    pub files: Vec<GuestFile>,
    /// Whether the kernel records a trace.
    pub traces: bool,
}

/// A run that ended, and the tag of its agent's messages.
#[derive(Debug, Clone)]
pub struct TaggedRun {
    /// The tag.
    pub tag: Tag,
    /// The run.
    pub run: GuestRun,
}

/// Everything that a replay needs but the kernel.
#[derive(Debug, Clone)]
pub struct RecordedInput {
    /// The events that reached the guest from outside, as QEMU writes them.
    pub events: Vec<u8>,
    /// The archive that became the guest's root folder.
    pub initrd: Vec<u8>,
    /// The guest's clock.
    pub clock: VirtualClock,
    /// Kernel parameters.
    pub kernel_parameters: Vec<String>,
    /// The guest's hardware.
    pub hardware: Hardware,
    /// The files that the run brought to the guest; the archive has them too.
    pub files: Vec<GuestFile>,
    /// The tag of the agent's messages.
    pub tag: Tag,
}

impl Runner<'_> {
    /// Runs a transcript in virtual time with more `files` in the guest.
    ///
    /// # Errors
    ///
    /// If no guest can be run.
    pub fn transcript(&self, transcript: &Transcript, files: Vec<GuestFile>) -> Result<TaggedRun> {
        let script = Script {
            transcript,
            files,
            traces: false,
        };
        self.script(&script, &RunOptions::default(), &mut |_| ())
    }

    /// Runs a script with these options in a guest that resumes from the snapshot of the start,
    /// or boots. `on_step` receives the number, from 1, of each step that begins.
    pub(super) fn script(
        &self,
        script: &Script<'_>,
        options: &RunOptions,
        on_step: &mut dyn FnMut(u32),
    ) -> Result<TaggedRun> {
        let assignment = self.assignment(script, false);
        if let Some(snapshot) = self.start.snapshot()
            && let Some(packed) = PackedAssignment::new(&assignment)?
            && let Some(run) =
                self.resume(snapshot, Some(&packed), &assignment, options, on_step)?
        {
            return Ok(run);
        }
        self.boot(&assignment, options, on_step)
    }

    /// Takes a snapshot of a guest that has a script's assignment and waits for the options of
    /// a run. If that is not possible, it reports the reason and returns `None`.
    pub(super) fn snapshot_with(&self, name: &str, script: &Script<'_>) -> Option<Snapshot> {
        let snapshot = self.start.snapshot()?;
        let take = || -> Result<Option<Snapshot>> {
            let Some(packed) = PackedAssignment::new(&self.assignment(script, true))? else {
                return Ok(None);
            };
            let name = format!("{}-{name}", self.built.kernel.label());
            let guest = self.start.guest(self.built);
            Ok(Some(snapshot.take_with(
                self.session,
                guest,
                &name,
                &packed,
            )?))
        };
        take().unwrap_or_else(|error| {
            self.session.ui.note(format!(
                "every schedule of {name} boots its own guest, because no snapshot could be \
                 taken: {error:#}"
            ));
            None
        })
    }

    /// Runs a script with these options in a guest that resumes from a snapshot which has the
    /// script's assignment, or boots.
    pub(super) fn script_from(
        &self,
        snapshot: Option<&Snapshot>,
        script: &Script<'_>,
        options: &RunOptions,
        on_step: &mut dyn FnMut(u32),
    ) -> Result<TaggedRun> {
        let assignment = self.assignment(script, snapshot.is_some());
        if let Some(snapshot) = snapshot
            && let Some(run) = self.resume(snapshot, None, &assignment, options, on_step)?
        {
            return Ok(run);
        }
        self.boot(&assignment, options, on_step)
    }

    pub(super) fn assignment(&self, script: &Script<'_>, snapshot: bool) -> Assignment {
        let options = AssignmentOptions {
            files: script.files.clone(),
            finds_leaks: self.built.kernel.profile.finds_leaks(),
            traces: script.traces,
            snapshot,
            typed: false,
        };
        assignment(script.transcript, options)
    }

    /// Resumes from a snapshot; `None` if the snapshot is unusable: a guest does not resume, or
    /// does not start the lesson. The output from before the snapshot comes first, as if the guest
    /// had booted for this run.
    fn resume(
        &self,
        snapshot: &Snapshot,
        packed: Option<&PackedAssignment>,
        assignment: &Assignment,
        options: &RunOptions,
        on_step: &mut dyn FnMut(u32),
    ) -> Result<Option<TaggedRun>> {
        if !snapshot.is_usable() {
            return Ok(None);
        }
        // Before the guest runs: another guest may find the snapshot unusable, and remove it.
        let before = snapshot.log().and_then(|log| Ok((log, snapshot.agent()?)));
        let (log, agent) = match before {
            Ok(before) => before,
            Err(error) => {
                snapshot.discard(&self.session.ui, &error);
                return Ok(None);
            }
        };
        let channels = Channels::new()?;
        let guest = self.start.guest(self.built);
        let machine = snapshot
            .machine(guest, &channels, packed, options)
            .map_err(explain_full_disk)?;
        let inputs = RunInputs {
            snapshot: Some(snapshot),
            typed: None,
        };
        let mut started = false;
        let mut on_step = |number| {
            started = true;
            on_step(number);
        };
        match self.run(&machine, channels, inputs, assignment, &mut on_step) {
            Ok(mut tagged) => {
                tagged.run.log.splice(0..0, log);
                tagged.run.agent.splice(0..0, agent);
                // The last bytes may not have been seen while the guest ran.
                if started || Evidence::read(tagged.tag, &tagged.run).lesson_started() {
                    return Ok(Some(tagged));
                }
                let why = anyhow!("a guest of the snapshot did not start its test case");
                snapshot.discard(&self.session.ui, &why);
                Ok(None)
            }
            Err(error) if error.is::<NotResumed>() => {
                snapshot.discard(&self.session.ui, &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn boot(
        &self,
        assignment: &Assignment,
        options: &RunOptions,
        on_step: &mut dyn FnMut(u32),
    ) -> Result<TaggedRun> {
        // A guest that boots for one run has no use for a snapshot.
        let assignment = Assignment {
            snapshot: false,
            ..assignment.clone()
        };
        let channels = Channels::new()?;
        let boot = self.boot_with(&channels, &assignment, options)?;
        let machine = Machine::scripted(self.start.clock(), channels.endpoints(), boot);
        let inputs = RunInputs::default();
        self.run(&machine, channels, inputs, &assignment, on_step)
    }

    /// Writes the initramfs of a guest that boots for one run into the guest's folder.
    fn boot_with(
        &self,
        channels: &Channels,
        assignment: &Assignment,
        options: &RunOptions,
    ) -> Result<Boot> {
        let initrd = channels.folder().join("initrd");
        let run = SingleRun {
            assignment: assignment.clone(),
            options: options.clone(),
        };
        let file = GuestFile {
            path: ASSIGNMENT_FILE.to_owned(),
            mode: 0o600,
            contents: encode(&run)?,
        };
        let initramfs = self.start.initramfs();
        initramfs
            .with(&[file], &initrd)
            .map_err(explain_full_disk)?;
        Ok(Boot {
            initrd,
            ..self.start.boot().clone()
        })
    }

    fn run(
        &self,
        machine: &Machine,
        channels: Channels,
        inputs: RunInputs<'_>,
        assignment: &Assignment,
        on_step: &mut dyn FnMut(u32),
    ) -> Result<TaggedRun> {
        let mut messages = frame::Reader::new(assignment.tag);
        let commands = match (&assignment.commands, &inputs.typed) {
            (Commands::Typed(_), Some(typed)) => typed.commands.clone(),
            (Commands::Typed(_), None) => Vec::new(),
            (Commands::Given(commands), _) => commands.clone(),
        };
        let mut on_messages = |bytes: &[u8]| {
            messages.push(bytes);
            let mut kind = None;
            for message in messages.by_ref() {
                if let Message::StepBegan { number, .. } = message {
                    on_step(number);
                    let index = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
                    let command = index.and_then(|index| commands.get(index));
                    kind = command.map(|command| command_kind(command));
                }
            }
            kind
        };
        let Built {
            toolchain, kernel, ..
        } = self.built;
        let limit = assignment.limit_seconds + GRACE;
        let run = vm::run(
            toolchain,
            kernel,
            machine,
            channels,
            inputs,
            limit,
            &mut on_messages,
        )?;
        let tag = assignment.tag;
        Ok(TaggedRun { tag, run })
    }

    /// Runs a transcript in a guest that boots, has one CPU, and is recorded. Without a recorded
    /// input, QEMU had to be killed.
    pub(super) fn recorded(
        &self,
        script: &Script<'_>,
        options: &RunOptions,
        on_step: &mut dyn FnMut(u32),
    ) -> Result<(TaggedRun, Option<RecordedInput>)> {
        let assignment = self.assignment(script, false);
        let channels = Channels::new()?;
        let boot = self.boot_with(&channels, &assignment, options)?;
        // The channels' folder is removed with the guest, and the recording is whole after that.
        let kept = vm::guest_folder()?;
        let events = kept.path().join("events");
        let initrd = read(&boot.initrd)?;
        let kernel_parameters = boot.kernel_parameters.clone();
        let hardware = boot.hardware.clone();
        let clock = self.start.clock();
        let machine = Machine::recorded(clock, channels.endpoints(), boot, events.clone());
        let inputs = RunInputs::default();
        let run = self.run(&machine, channels, inputs, &assignment, on_step)?;
        let events = read(&events)?;
        let input = is_whole(&events).then(|| RecordedInput {
            events,
            initrd,
            clock,
            kernel_parameters,
            hardware,
            files: script.files.clone(),
            tag: assignment.tag,
        });
        Ok((run, input))
    }
}

/// Returns the kind of a command, by its words.
fn command_kind(command: &str) -> CommandKind {
    const CHANGE_MODULES: [&str; 3] = ["insmod", "rmmod", "modprobe"];
    let words = || command.split(|c: char| !(c.is_ascii_alphanumeric() || "_-./".contains(c)));
    let waits = words().any(|word| word == "sleep");
    match words().any(|word| CHANGE_MODULES.contains(&word)) && !waits {
        true => CommandKind::ChangesModules,
        false => CommandKind::Other,
    }
}

fn read(path: &std::path::Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reports whether a recording is whole: QEMU writes the number of its format to the beginning
/// when it ends the recording (`replay_finish` in replay/replay.c).
fn is_whole(events: &[u8]) -> bool {
    events
        .get(..4)
        .is_some_and(|version| version.iter().any(|byte| *byte != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_changes_modules_is_known_by_its_words() {
        for (command, kind) in [
            ("insmod x.ko", CommandKind::ChangesModules),
            ("taskset 2 insmod x.ko;true", CommandKind::ChangesModules),
            ("(rmmod x)", CommandKind::ChangesModules),
            ("insmod x.ko; sleep 3", CommandKind::Other),
            ("cat insmod.txt", CommandKind::Other),
            ("sleep 3", CommandKind::Other),
        ] {
            assert_eq!(command_kind(command), kind, "{command}");
        }
    }

    #[test]
    fn a_recording_without_its_number_is_not_whole() {
        assert!(is_whole(b"\x00\xe0\x20\x0c\0\0"));
        assert!(!is_whole(b"\0\0\0\0\x01\x02"));
        assert!(!is_whole(b"\x00\xe0"));
    }
}
