//! Schedules: how fast they are, what they find, and whether a seed repeats.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};

use crate::figures::{Bench, figure};
use crate::measure;
use crate::results::{Aim, Figure};
use xtask::failure::Fault;
use xtask::lesson::{self, Lesson};
use xtask::modules::Language;
use xtask::pipeline::Prepared;
use xtask::play::outcome::fault;
use xtask::play::plan::Play;
use xtask::play::{self, Manner, Time};
use xtask::schedule::{self, Seeds};
use xtask::vm::GuestRun;

/// The lesson that the time is taken of: its text is the longest.
const LESSON: &str = "kthread_run";

/// So many schedules are tried for a race, and so many times.
const SCHEDULES: u32 = 100;
const TRIES: u32 = 10;

/// The seed that is repeated, and how often.
const SEED: u32 = 1;
const REPEATS: usize = 100;

/// How the name of a race's mended twin ends.
const MENDED: &str = "_mended";

impl Bench<'_> {
    /// Time, repetition, and what is found.
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
        let mut args = self.args("test");
        let count = SCHEDULES.to_string();
        args.extend([LESSON, "--lang", "rust", "--schedules", &count]);
        let test = || measure::xtask(self.session.workspace.root(), &args);
        test()?; // what is made once is made
        let values = self.times(|| measure::wall(test))?;
        let aim = Some(Aim::AtMost(30.0));
        Ok(figure("100 schedules of a lesson, wall", "s", aim, values))
    }

    /// How many of the runs of one seed say the same to the byte as the first.
    fn equal_repeats(&self) -> Result<Figure> {
        let name = |lesson: &&Lesson| lesson.name == LESSON;
        let lesson = self.lessons.iter().find(name);
        let play = Play {
            lesson: lesson.context("the lesson is not there")?,
            language: Language::Rust,
        };
        let prepared = self.with_modules(&[(LESSON, Language::Rust)])?;
        let runs: Mutex<Vec<GuestRun>> = Mutex::default();
        let next = AtomicUsize::new(0);
        let rehearsal = play::rehearse(self.session, &prepared, &play)?;
        std::thread::scope(|scope| -> Result<()> {
            let player = || -> Result<()> {
                while next.fetch_add(1, Ordering::Relaxed) < REPEATS {
                    let run = play::seed(self.session, &prepared, &play, SEED, &rehearsal)?;
                    runs.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(run);
                }
                Ok(())
            };
            let players: Vec<_> = (0..self.session.jobs)
                .map(|_| scope.spawn(player))
                .collect();
            for player in players {
                player
                    .join()
                    .map_err(|_| anyhow::anyhow!("a player panicked"))??;
            }
            Ok(())
        })?;
        let runs = runs.into_inner().unwrap_or_else(PoisonError::into_inner);
        let said = |run: &GuestRun| (run.log.clone(), run.console.clone(), run.debug.clone());
        let first = runs.first().map(said).context("nothing was played")?;
        ensure!(!first.2.is_empty(), "nobody was held up");
        let equal = runs.iter().filter(|run| said(run) == first).count();
        #[expect(clippy::cast_precision_loss, reason = "it is a hundred")]
        let equal = vec![equal as f64];
        let aim = Some(Aim::AtLeast(100.0));
        Ok(figure(
            "repeats of a seed, equal to the byte",
            "of 100",
            aim,
            equal,
        ))
    }

    /// In each try, how many of the races have failed; and how many there are, each
    /// in each of its languages.
    fn races_found(&self) -> Result<(Vec<f64>, f64)> {
        let races = lesson::all_races(&self.session.workspace)?;
        let languages = [Language::Rust, Language::C];
        let plays: Vec<Play<'_>> = races
            .iter()
            .filter(|race| !race.name.ends_with(MENDED))
            .flat_map(|lesson| languages.map(|language| Play { lesson, language }))
            .filter(|play| play.lacks().is_none())
            .collect();
        let modules: Vec<(&str, Language)> = plays
            .iter()
            .map(|play| (play.lesson.name.as_str(), play.language))
            .collect();
        let prepared = self.with_modules(&modules)?;
        let mut found = Vec::new();
        for number in 0..TRIES {
            let first = 1 + number * SCHEDULES;
            let mut count = 0_u32;
            for play in &plays {
                let manner = Manner {
                    time: Time::Virtual,
                    repeat: 1,
                    record: None,
                    seeds: Seeds::new(first, SCHEDULES),
                    timeline: false,
                    fail_fast: true,
                    keep_output: false,
                    kernel_options: "",
                };
                let one = std::slice::from_ref(play);
                let outcomes = play::all(self.session, &prepared, one, manner, &|_, _| ());
                ensure!(
                    fault(&outcomes) != Some(Fault::Host),
                    "{} could not be played",
                    play.name()
                );
                match fault(&outcomes) {
                    Some(_) => count += 1,
                    None => eprintln!("bench: {} from seed {first} on: not found", play.name()),
                }
            }
            found.push(f64::from(count));
        }
        #[expect(clippy::cast_precision_loss, reason = "there are a few")]
        let of = plays.len() as f64;
        Ok((found, of))
    }

    /// Guests in which the threads of these modules can be held up.
    fn with_modules(&self, modules: &[(&str, Language)]) -> Result<Prepared> {
        let tool = [(schedule::MODULE, Language::Rust)];
        let modules = [modules, &tool].concat();
        let prepared = self.prepared.with_modules(self.session, &modules)?;
        let mut prepared = play::held_up(self.session, &prepared)?;
        prepared.saved = play::saved(self.session, &prepared);
        Ok(prepared)
    }
}
