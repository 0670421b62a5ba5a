//! The progress of guests that run side by side: a bar for all of them, and below it
//! a line per guest.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{StageTime, Ui, lock};
use crate::text::printable;

/// Longest time between two updates of a line, which shows a clock.
const TICK: Duration = Duration::from_millis(200);

/// The progress of all guests. Without a terminal, a line is printed for each fifth
/// of the guests, and for each failure.
#[derive(Debug)]
pub struct ProgressBoard<'a> {
    ui: &'a Ui,
    name: String,
    started: Instant,
    bars: MultiProgress,
    all: ProgressBar,
    /// Fifths of the whole that were printed.
    reported: Mutex<u64>,
    failed: Mutex<u64>,
}

/// The line of a running guest, which disappears on drop.
#[derive(Debug)]
pub struct GuestRow {
    bar: ProgressBar,
}

impl Ui {
    /// Starts showing `total` guests that run side by side.
    pub fn board(&self, name: &str, total: u64) -> ProgressBoard<'_> {
        let bars = if self.terminal {
            self.stderr().0.clone()
        } else {
            self.stderr().print(&format!("{name}: {total} to run"));
            MultiProgress::with_draw_target(ProgressDrawTarget::hidden())
        };
        let all = bars.add(bar(
            "{prefix:>10} [{bar:30}] {pos}/{len} {elapsed} {wide_msg}",
            total,
        ));
        all.set_prefix(name.to_owned());
        all.enable_steady_tick(TICK);
        ProgressBoard {
            ui: self,
            name: name.to_owned(),
            started: Instant::now(),
            bars,
            all,
            reported: Mutex::new(0),
            failed: Mutex::new(0),
        }
    }
}

impl ProgressBoard<'_> {
    /// Adds a line for a guest that starts, with the number of its steps.
    pub fn guest(&self, name: &str, steps: u64) -> GuestRow {
        let bar = bar(
            "{prefix:>32} {pos:>3}/{len:<3} {elapsed:>4} {wide_msg}",
            steps,
        );
        let bar = self.bars.add(bar);
        bar.set_prefix(name.to_owned());
        bar.set_message("starting");
        bar.enable_steady_tick(TICK);
        GuestRow { bar }
    }

    /// Shows the number of guests that have ended.
    pub fn position(&self, ended: u64) {
        self.all.set_position(ended);
        let total = self.all.length().unwrap_or(0);
        if self.ui.terminal || total == 0 {
            return;
        }
        let mut reported = lock(&self.reported);
        let fifth = ended * 5 / total;
        if fifth > *reported {
            *reported = fifth;
            let line = format!("{}: {ended} of {total}", self.name);
            self.ui.stderr().print(&line);
        }
    }

    /// Shows a failure at once.
    pub fn failed(&self, failure: &str) {
        let mut failed = lock(&self.failed);
        *failed += 1;
        self.all.set_message(format!("{failed} failed"));
        let line = format!("{}: {failure}", self.name);
        self.ui.stderr().print(&line);
    }

    /// Ends the board, and adds its duration to the summary.
    pub fn done(self) {
        lock(&self.ui.stages).push(StageTime {
            name: self.name.clone(),
            time: self.started.elapsed(),
            cached: false,
            detail: format!("{} runs", self.all.position()),
        });
    }
}

impl Drop for ProgressBoard<'_> {
    fn drop(&mut self) {
        self.all.finish_and_clear();
    }
}

impl GuestRow {
    /// Shows the step that the guest runs, from 1, and its command.
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
