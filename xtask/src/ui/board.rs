//! Work that runs side by side: a bar for all of it, and below it a line for
//! each that is under way.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{StageTime, Ui, lock};
use crate::text::printable;

/// How often a line is drawn at least, so that its time runs on.
const TICK: Duration = Duration::from_millis(200);

/// Shows how far a number of guests is. Without a terminal it prints a line
/// for each fifth of them, and for each that failed.
#[derive(Debug)]
pub struct ProgressBoard<'a> {
    ui: &'a Ui,
    name: String,
    started: Instant,
    rows: MultiProgress,
    whole: ProgressBar,
    reported: Mutex<u64>,
    failed: Mutex<u64>,
}

/// A guest that is under way; its line goes when this is dropped.
#[derive(Debug)]
pub struct GuestRow {
    bar: ProgressBar,
}

impl Ui {
    /// Starts showing `total` guests that run side by side.
    pub fn board(&self, name: &str, total: u64) -> ProgressBoard<'_> {
        let target = if self.terminal {
            ProgressDrawTarget::stderr()
        } else {
            eprintln!("{name}: playing {total}");
            ProgressDrawTarget::hidden()
        };
        let rows = MultiProgress::with_draw_target(target);
        let whole = rows.add(bar(
            "{prefix:>10} [{bar:30}] {pos}/{len} {elapsed} {wide_msg}",
            total,
        ));
        whole.set_prefix(name.to_owned());
        whole.enable_steady_tick(TICK);
        ProgressBoard {
            ui: self,
            name: name.to_owned(),
            started: Instant::now(),
            rows,
            whole,
            reported: Mutex::new(0),
            failed: Mutex::new(0),
        }
    }
}

impl ProgressBoard<'_> {
    /// A guest starts that has so many steps before it.
    pub fn guest(&self, name: &str, steps: u64) -> GuestRow {
        let row = bar(
            "{prefix:>32} {pos:>3}/{len:<3} {elapsed:>4} {wide_msg}",
            steps,
        );
        let bar = self.rows.add(row);
        bar.set_prefix(name.to_owned());
        bar.set_message("boots");
        bar.enable_steady_tick(TICK);
        GuestRow { bar }
    }

    /// Says how many have ended.
    pub fn position(&self, ended: u64) {
        self.whole.set_position(ended);
        let total = self.whole.length().unwrap_or(0);
        if self.ui.terminal || total == 0 {
            return;
        }
        let mut reported = lock(&self.reported);
        let fifth = ended * 5 / total;
        if fifth > *reported {
            *reported = fifth;
            eprintln!("{}: {ended} of {total}", self.name);
        }
    }

    /// Says at once that one failed, and how.
    pub fn failed(&self, how: &str) {
        let mut failed = lock(&self.failed);
        *failed += 1;
        self.whole.set_message(format!("{failed} failed"));
        let line = format!("{}: {how}", self.name);
        if self.ui.terminal {
            // Nothing can be done about a terminal that takes no lines.
            let _ = self.rows.println(line);
        } else {
            eprintln!("{line}");
        }
    }

    /// All have ended; their time is kept for the summary.
    pub fn done(self) {
        lock(&self.ui.rows).push(StageTime {
            name: self.name.clone(),
            time: self.started.elapsed(),
            cached: false,
            detail: format!("{} played", self.whole.position()),
        });
    }
}

impl Drop for ProgressBoard<'_> {
    fn drop(&mut self) {
        self.whole.finish_and_clear();
    }
}

impl GuestRow {
    /// The guest is at this step, counted from 1, and runs this command.
    pub fn step(&self, number: u64, command: &str) {
        self.bar.set_position(number);
        let line = command.lines().next().unwrap_or_default();
        self.bar.set_message(printable(line));
    }
}

impl Drop for GuestRow {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn bar(template: &str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
