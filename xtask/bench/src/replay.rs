//! What a replay costs, against its recording.

use anyhow::{Context as _, Result, ensure};

use crate::figures::{Bench, figure};
use crate::results::{Aim, Figure};
use xtask::modules::Language;
use xtask::play::plan::Play;
use xtask::play::{self, Played, Time};
use xtask::recording::{self, Recording};

impl Bench<'_> {
    /// The host's time for a replay over that for its recording, both from
    /// QEMU's start to its end, of one lesson.
    pub fn replay_over_recording(&self) -> Result<Figure> {
        let lesson = self.lessons.first().context("there is no lesson")?;
        let play = Play {
            lesson,
            language: Language::Rust,
        };
        let values = self.times(|| {
            let Played {
                outcome, run, tape, ..
            } = play::played(self.session, self.prepared, &play, Time::Recorded)?;
            let tape = tape.context("the recording is not whole")?;
            let recording = Recording::of(self.prepared, &play, &outcome, &run, tape)?;
            let kernel = &self.prepared.kernel;
            let again = recording::play_again(&recording, &self.prepared.toolchain, kernel)?;
            ensure!(
                again.difference.is_none(),
                "a replay was not the same: {:?}",
                again.difference
            );
            Ok(again.replayed.wall.as_secs_f64() / run.wall.as_secs_f64())
        })?;
        Ok(figure(
            "replay over recording",
            "ratio",
            Some(Aim::AtMost(1.2)),
            values,
        ))
    }
}
