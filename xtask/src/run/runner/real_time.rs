//! Runs a transcript in real time.

use std::sync::mpsc::channel;
use std::time::Instant;

use anyhow::Result;
use kmodlab_protocol::{GuestFile, RunOptions};

use super::{Runner, TaggedRun};
use crate::lesson::assignment::{AssignmentOptions, assignment, commands};
use crate::lesson::transcript::Transcript;
use crate::vm::{Accel, Boot, Channels, Machine, RunInputs, TypedCommands};

/// Kernel parameters of guests in real time. To the guest, a CPU that the host does not run
/// looks busy, so detectors of that keep their default patience. The log's size and format are
/// those of guests in virtual time.
const REAL_TIME_PARAMETERS: [&str; 6] = [
    "oops=panic",
    "console_msg_format=syslog",
    "log_buf_len=2M",
    "sysctl.kernel.hung_task_panic=1",
    "sysctl.kernel.hung_task_timeout_secs=30",
    "sysctl.kernel.softlockup_panic=1",
];

impl Runner<'_> {
    /// Runs a transcript in real time, with more `files` in the guest: the host types its
    /// commands. Returns the time at which each was typed too.
    ///
    /// # Errors
    ///
    /// If no guest can be run.
    pub fn real_time(
        &self,
        transcript: &Transcript,
        files: Vec<GuestFile>,
        accel: Accel,
        on_step: &mut dyn FnMut(u32),
    ) -> Result<(TaggedRun, Vec<Instant>)> {
        let options = AssignmentOptions {
            files,
            finds_leaks: self.built.kernel.profile.finds_leaks(),
            typed: true,
            ..AssignmentOptions::default()
        };
        let assignment = assignment(transcript, options);
        let channels = Channels::typed()?;
        let boot = Boot {
            kernel_parameters: REAL_TIME_PARAMETERS
                .iter()
                .map(|parameter| (*parameter).to_owned())
                .chain(self.start.own_parameters().iter().cloned())
                .collect(),
            ..self.boot_with(&channels, &assignment, &RunOptions::default())?
        };
        let machine = Machine::real_time(accel, channels.endpoints(), boot);
        let (sender, typed) = channel();
        let inputs = RunInputs {
            snapshot: None,
            typed: Some(TypedCommands {
                tag: assignment.tag,
                commands: commands(transcript),
                typed: sender,
            }),
        };
        let run = self.run(&machine, channels, inputs, &assignment, on_step)?;
        Ok((run, typed.try_iter().collect()))
    }
}
