//! Progress for a person: a bar per stage on a terminal, plain lines elsewhere, and
//! a summary at the end. Progress goes to standard error, results to standard
//! output.

mod board;

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

pub use board::{GuestRow, ProgressBoard};

/// The output to standard error.
#[derive(Debug)]
pub struct Ui {
    terminal: bool,
    verbose: bool,
    started: Instant,
    /// Finished stages.
    stages: Mutex<Vec<StageTime>>,
    notes: Notes,
}

/// Standard error, and the bars that are drawn there now; all clones have the same ones.
#[derive(Debug, Clone, Default)]
struct StderrBars(MultiProgress);

impl StderrBars {
    /// Prints a line above the bars.
    fn print(&self, line: &str) {
        self.0.suspend(|| crate::errln!("{line}"));
    }
}

/// Lines that the user must not miss; all clones have the same ones.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    stderr: StderrBars,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Notes {
    /// Shows a line on standard error, and keeps it for the summary.
    pub fn add(&self, line: impl Into<String>) {
        let line = line.into();
        self.stderr.print(&line);
        lock(&self.lines).push(line);
    }

    /// Returns the lines so far.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.lines).clone()
    }
}

/// The duration of a stage.
#[derive(Debug, Clone)]
pub struct StageTime {
    /// Name of the stage.
    pub name: String,
    /// Duration of the stage.
    pub time: Duration,
    /// True if the result came from the cache.
    pub cached: bool,
    /// A version or a size.
    pub detail: String,
}

/// A stage that runs; [`Stage::done`] adds it to the summary.
#[derive(Debug)]
pub struct Stage<'a> {
    ui: &'a Ui,
    name: String,
    started: Instant,
    bar: ProgressBar,
    /// Fifths of the whole that were printed.
    reported: Mutex<u64>,
}

impl Ui {
    /// Creates the output. With `verbose`, the tools' own output is shown instead of
    /// bars.
    pub fn new(verbose: bool) -> Self {
        Self::with_notes(verbose, Notes::default())
    }

    /// Creates the output as [`Ui::new`], with these notes in its summary.
    pub fn with_notes(verbose: bool, notes: Notes) -> Self {
        Self {
            terminal: std::io::stderr().is_terminal() && !verbose,
            verbose,
            started: Instant::now(),
            stages: Mutex::default(),
            notes,
        }
    }

    /// Starts a stage. Nothing is shown before [`Stage::begin`], so that a stage whose
    /// result is in the cache is silent.
    pub fn stage(&self, name: &str) -> Stage<'_> {
        Stage {
            ui: self,
            name: name.to_owned(),
            started: Instant::now(),
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
            reported: Mutex::new(0),
        }
    }

    /// Shows a line that the user must not miss, now and in the summary.
    pub fn note(&self, line: impl Into<String>) {
        self.notes.add(line);
    }

    /// Shows the output of a tool, with `--verbose`.
    pub fn tool_output(&self, output: &str) {
        if self.verbose {
            self.stderr().print(output);
        }
    }

    fn stderr(&self) -> &StderrBars {
        &self.notes.stderr
    }

    /// Returns the notes so far.
    pub fn notes(&self) -> Vec<String> {
        self.notes.lines()
    }

    /// Returns the finished stages in their order.
    pub fn stages(&self) -> Vec<StageTime> {
        lock(&self.stages).clone()
    }

    /// Prints the table of stages: duration or `cached`, and details.
    pub fn summary(&self) {
        let stages = lock(&self.stages);
        let width = stages.iter().map(|stage| stage.name.len()).max();
        let width = width.unwrap_or(0);
        for StageTime {
            name,
            time,
            cached,
            detail,
        } in stages.iter()
        {
            let time = if *cached {
                "cached".to_owned()
            } else {
                format!("{:.1} s", time.as_secs_f64())
            };
            crate::errln!("  {name:width$}  {time:>8}  {detail}");
        }
        for note in lock(&self.notes.lines).iter() {
            crate::errln!("  note: {note}");
        }
        crate::errln!(
            "  {:width$}  {:>6.1} s",
            "total",
            self.started.elapsed().as_secs_f64()
        );
    }
}

impl Stage<'_> {
    /// Shows that work begins, with a bar on a terminal and a line elsewhere. `total`
    /// is the number of steps, or 0 if it is not known.
    pub fn begin(&self, what: &str, total: u64) {
        if !self.ui.terminal {
            let line = format!("{}: {what}", self.name);
            self.ui.stderr().print(&line);
            self.bar.set_length(total);
            return;
        }
        let template = if total > 0 {
            "{prefix:>10} [{bar:30}] {pos}/{len} {elapsed} {wide_msg}"
        } else {
            "{prefix:>10} {spinner} {elapsed} {wide_msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.set_length(total);
        self.bar.set_prefix(self.name.clone());
        self.bar.set_message(what.to_owned());
        self.ui.stderr().0.add(self.bar.clone());
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// Shows the number of finished steps. Without a terminal, prints a line for each
    /// fifth of the whole.
    pub fn position(&self, position: u64) {
        self.bar.set_position(position);
        let total = self.bar.length().unwrap_or(0);
        if self.ui.terminal || total == 0 {
            return;
        }
        let mut reported = lock(&self.reported);
        let fifth = position.min(total) * 5 / total;
        if fifth > *reported {
            *reported = fifth;
            let line = format!("{}: {position} of {total}", self.name);
            self.ui.stderr().print(&line);
        }
    }

    /// Shows the step that runs.
    pub fn message(&self, message: &str) {
        self.bar.set_message(message.to_owned());
    }

    /// Shows a line of a tool's output, with `--verbose`.
    pub fn tool_line(&self, line: &str) {
        self.ui.tool_output(line);
    }

    /// Ends the stage, and adds it with `detail` (a version, a size) to the summary.
    pub fn done(self, cached: bool, detail: impl Into<String>) {
        self.bar.finish_and_clear();
        let time = self.started.elapsed();
        if !cached {
            let line = format!("{}: done in {:.1} s", self.name, time.as_secs_f64());
            self.ui.stderr().print(&line);
        }
        lock(&self.ui.stages).push(StageTime {
            name: self.name.clone(),
            time,
            cached,
            detail: detail.into(),
        });
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        // A stage that failed leaves no bar behind.
        self.bar.finish_and_clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Formats a size for people: `14.2 MiB`.
pub fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}
