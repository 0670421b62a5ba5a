//! A run of the suite: each lesson in each language in a guest of its own, some
//! of them side by side.

mod guest;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use crate::lesson::Lesson;
use crate::modules::Language;
use crate::pipeline::Prepared;
use crate::report::Outcome;
use crate::session::Session;

pub use guest::{Time, lesson, transcript, typed};

/// Plays every lesson in every one of the `languages`, in virtual or real `time`, as many guests side by
/// side as make may run jobs: a guest keeps one core busy. The outcomes come
/// in the order of the lessons, and of the languages for each.
pub fn all(
    session: &Session,
    prepared: &Prepared,
    lessons: &[Lesson],
    languages: &[Language],
    time: Time,
) -> Result<Vec<Outcome>> {
    let plays: Vec<(&Lesson, Language)> = lessons
        .iter()
        .flat_map(|lesson| languages.iter().map(move |language| (lesson, *language)))
        .collect();
    let stage = session.ui.stage("lessons");
    stage.begin("playing", plays.len() as u64);
    let next = AtomicUsize::new(0);
    let ended = Mutex::new(Vec::new());
    let player = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((lesson, language)) = plays.get(index) else {
                return;
            };
            let outcome = if lesson.is_in(*language) {
                guest::lesson(session, prepared, lesson, *language, time)
            } else {
                Ok(Outcome::skipped(lesson, *language, lesson.lacks(*language)))
            };
            if outcome.is_err() {
                // The machine is at fault; those that have not begun need not.
                next.store(plays.len(), Ordering::Relaxed);
            }
            let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
            ended.push((index, outcome));
            stage.position(ended.len() as u64);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..session.jobs.min(plays.len()) {
            scope.spawn(player);
        }
    });
    let mut ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    ended.sort_by_key(|(index, _)| *index);
    ended.into_iter().map(|(_, outcome)| outcome).collect()
}
