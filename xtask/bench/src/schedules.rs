//! Schedules: their speed, the races that they find, and whether a seed repeats.

use anyhow::{Context as _, Result, ensure};
use xtask::lesson::{self, Lesson};
use xtask::modules::Language;

use crate::figures::{Bench, figure};
use crate::measure;
use crate::results::{Aim, Figure};

/// The lesson with the longest transcript.
const LESSON: &str = "kthread_run";

/// Number of schedules that one try at a race runs.
const SCHEDULES: u32 = 100;

/// Number of tries, each with other seeds.
const TRIES: u32 = 10;

/// The seed that is repeated.
const SEED: &str = "1";

/// Number of runs of that seed.
const REPEATS: u32 = 100;

/// End of the name of a race's corrected version.
const MENDED: &str = "_mended";

/// A race that only schedules with `--weak-memory` show.
const WEAK: &str = "relaxed_flag";

impl Bench<'_> {
    /// Measures schedules.
    pub fn schedules(&self) -> Result<Vec<Figure>> {
        let (found, of) = self.races_found()?;
        Ok(vec![
            self.hundred_schedules()?,
            self.equal_repeats()?,
            figure(
                "races found by 100 schedules, each try",
                "races",
                Some(Aim::AtLeast(of)),
                found,
            ),
        ])
    }

    fn hundred_schedules(&self) -> Result<Figure> {
        let count = SCHEDULES.to_string();
        let test = || {
            self.xtask(&[
                "test",
                LESSON,
                "--lang",
                "rust",
                "--schedules",
                count.as_str(),
            ])
        };
        test()?; // builds, and takes the snapshots
        let values = self.times(|| measure::wall(test))?;
        let aim = Some(Aim::AtMost(30.0));
        Ok(figure("100 schedules of a lesson, wall", "s", aim, values))
    }

    /// Counts the runs of one seed whose log equals the first's to the byte.
    fn equal_repeats(&self) -> Result<Figure> {
        let args = self.args(&[LESSON, "--lang", "rust", "--seed", SEED]);
        let mut first = None;
        let mut equal = 0_u32;
        for _ in 0..REPEATS {
            let report = measure::test(self.root(), &args)?;
            let run = measure::passed(&report)?;
            ensure!(!run.injected_delays.is_empty(), "the seed delays no task");
            let log = std::fs::read(run.guest_log.as_ref().context("no log")?)?;
            let outcome = (log, run.injected_delays.clone());
            equal += u32::from(*first.get_or_insert_with(|| outcome.clone()) == outcome);
        }
        Ok(figure(
            "repeats of a seed, equal to the byte",
            "of 100",
            Some(Aim::AtLeast(f64::from(REPEATS))),
            vec![f64::from(equal)],
        ))
    }

    /// Counts in each try the races of which a schedule failed. Returns the counts, and
    /// the number of races, each in each of its languages.
    fn races_found(&self) -> Result<(Vec<f64>, f64)> {
        let races = self.races_in_languages()?;
        let mut found = Vec::new();
        for number in 0..TRIES {
            let [count, seed] = [SCHEDULES, 1 + number * SCHEDULES].map(|n| n.to_string());
            let mut failing = 0_u32;
            for (Lesson { name, .. }, language) in &races {
                let language = language.to_string();
                let args = [name, "--lang", &language, "--schedules", &count];
                let args = [&args[..], &["--seed", &seed, "--fail-fast", "--no-narrow"]].concat();
                let report = measure::test(self.root(), &self.args(&args))?;
                if report.races.is_empty() {
                    xtask::errln!("bench: {name} ({language}) from seed {seed} on: not found");
                } else {
                    failing += 1;
                }
            }
            found.push(f64::from(failing));
        }
        Ok((found, f64::from(u32::try_from(races.len())?)))
    }

    /// Returns the selected races without their corrected versions, each with each of its languages, and without
    /// the race that delays do not show.
    ///
    /// # Errors
    ///
    /// Fails if a selected race does not exist.
    pub fn races_in_languages(&self) -> Result<Vec<(Lesson, Language)>> {
        let mut races = Vec::new();
        for race in lesson::select_races(&self.session.workspace, self.races)? {
            let race = race.map_err(|bad| bad.error)?;
            for language in [Language::Rust, Language::C] {
                let measured = !race.name.ends_with(MENDED) && race.name != WEAK;
                if measured && race.is_in(language) {
                    races.push((race.clone(), language));
                }
            }
        }
        Ok(races)
    }
}
