//! The duration of a replay, compared with its recording's.

use anyhow::{Context as _, Result, ensure};
use xtask::recording::{self, Recording};

use crate::figures::{Bench, figure};
use crate::measure;
use crate::results::{Aim, Figure};

impl Bench<'_> {
    /// Measures a replay over its recording, both from QEMU's start to its end.
    pub fn replay_over_recording(&self) -> Result<Figure> {
        let lesson = &self.lessons.first().context("there is no lesson")?.name;
        let values = self.times(|| {
            let folder = tempfile::tempdir()?;
            let into = folder.path().display().to_string();
            let args = [lesson, "--lang", "rust", "--record", into.as_str()];
            measure::passed(&measure::test(self.root(), &self.args(&args))?)?;
            let file = folder.path().join(format!("{lesson}-rust.kmodrec"));
            let recording = Recording::load(&file)?;
            let (toolchain, kernel) = (&self.built.toolchain, &self.built.kernel);
            let again = recording::replay(self.session, &recording, toolchain, kernel)?;
            ensure!(
                again.difference.is_none(),
                "a replay differs: {:?}",
                again.difference
            );
            Ok(again.replayed.wall.as_secs_f64() / recording.manifest.wall_seconds)
        })?;
        Ok(figure(
            "replay over recording",
            "ratio",
            Some(Aim::AtMost(1.2)),
            values,
        ))
    }
}
