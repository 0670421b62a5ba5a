//! How soon a dead guest's verdict is there, its stacks explained.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::figures::{Bench, figure};
use crate::results::{Aim, Figure};
use crate::test_modules::TestModules;
use xtask::lesson::judge::Evidence;
use xtask::lesson::{self, Lesson};
use xtask::modules::Language;
use xtask::pipeline::{self, Prepared};
use xtask::play::plan::Play;
use xtask::play::{self, Time};
use xtask::session::Session;

/// The test module whose `rmmod` waits for ever for a thread that waits for it.
const DEADLOCK: &str = "fails_deadlock";

/// The test module that panics when it is loaded.
const PANIC: &str = "fails_rust_panic";

impl Bench<'_> {
    /// Plays test modules that kill their guests.
    pub fn verdicts(&self) -> Result<Vec<Figure>> {
        let TestModules { session, .. } = &self.test_modules(&[DEADLOCK, PANIC])?;
        let wanted = [DEADLOCK, PANIC].map(|name| (name, Language::Rust));
        let prepared = self.prepared.with_modules(session, &wanted)?;
        let lessons = lesson::all(&session.workspace)?;
        let one = |name| -> Result<Vec<Times>> {
            let lesson = lessons.iter().find(|lesson| lesson.name == name);
            let lesson = lesson.with_context(|| format!("no test module {name}"))?;
            (0..self.runs)
                .map(|_| times(session, &prepared, lesson))
                .collect()
        };
        let deadlock = one(DEADLOCK)?;
        ensure!(
            deadlock.iter().all(|times| times.stacks == 2),
            "a deadlock without both stacks"
        );
        Ok(vec![
            figure(
                "deadlocked rmmod to verdict, from the start",
                "s",
                Some(Aim::AtMost(5.0)),
                deadlock.iter().map(|times| times.all).collect(),
            ),
            figure(
                "panic line to verdict",
                "s",
                Some(Aim::AtMost(1.0)),
                one(PANIC)?.iter().map(|times| times.since_panic).collect(),
            ),
        ])
    }
}

/// Seconds on the wall until the verdict is there.
struct Times {
    /// From the guest's start on.
    all: f64,
    /// From the kernel's panic line on.
    since_panic: f64,
    /// How many tasks the report shows in the lesson's code.
    stacks: usize,
}

fn times(session: &Session, prepared: &Prepared, lesson: &Lesson) -> Result<Times> {
    let module = prepared.modules.iter().find(|one| one.name == lesson.name);
    let module = pipeline::in_guest(module.context("the module was not built")?)?;
    let started = Instant::now();
    let (nonce, run) = play::transcript(session, prepared, &lesson.transcript, vec![module])?;
    let ended = Instant::now();
    let of_rust = Play {
        lesson,
        language: Language::Rust,
    };
    let (verdict, spots) = play::judged(
        session,
        prepared,
        &of_rust,
        Time::Virtual.tolerance(),
        &Evidence::read(&nonce, &run),
        &run,
    );
    let since_panic = run.since_panic.with_context(|| {
        let name = verdict.name();
        format!("{} came to {name} without a panic", lesson.name)
    })?;
    Ok(Times {
        all: started.elapsed().as_secs_f64(),
        since_panic: (since_panic + ended.elapsed()).as_secs_f64(),
        stacks: spots.len(),
    })
}
