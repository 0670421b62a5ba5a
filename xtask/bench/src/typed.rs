//! What it costs to type a command at a guest in real time.

use anyhow::{Result, ensure};

use crate::figures::{Bench, figure};
use crate::results::{Aim, Figure};
use xtask::lesson::record;
use xtask::lesson::transcript::{self, Step, Transcript};
use xtask::play;
use xtask::vm::Accel;

/// So many commands are typed for one figure.
const COMMANDS: usize = 200;

impl Bench<'_> {
    /// What it takes to type a command in real time, read the answer and be
    /// ready for the next, less what the command takes in the guest.
    pub fn typed_command(&self) -> Result<Figure> {
        let step = Step {
            line: 1,
            command: "true".to_owned(),
            expected: Vec::new(),
            status: 0,
        };
        let commands = Transcript {
            steps: vec![step; COMMANDS],
            limit: transcript::LIMIT,
        };
        let (nonce, typed) = play::typed(self.prepared, &commands, Vec::new(), Accel::Tcg)?;
        let record = record::read(&nonce, &typed.run.console);
        let guest: Vec<f64> = record
            .steps
            .iter()
            .filter_map(|step| Some(step.end?.at - step.begin))
            .collect();
        ensure!(
            guest.len() == COMMANDS,
            "the guest ended after {} of {COMMANDS} commands: {:?}",
            guest.len(),
            typed.run.end
        );
        // The guest tells hundredths of a second, so of a command that takes
        // less it mostly tells nothing; but a stop of the host's in the middle
        // of one is in both.
        let walls = typed.typed.windows(2).map(|pair| pair[1] - pair[0]);
        let values = walls
            .zip(guest)
            .map(|(wall, guest)| (wall.as_secs_f64() - guest) * 1000.0)
            .collect();
        Ok(figure(
            "real time: overhead of a typed command",
            "ms",
            Some(Aim::AtMost(5.0)),
            values,
        ))
    }
}
