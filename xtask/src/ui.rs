//! What a person sees while xtask works: a bar a stage on a terminal, plain
//! lines elsewhere, and a summary at the end. All of it goes to standard
//! error; results go to standard output.

mod board;

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub use board::{GuestRow, ProgressBoard};

/// The one who talks to the terminal.
#[derive(Debug)]
pub struct Ui {
    terminal: bool,
    verbose: bool,
    started: Instant,
    rows: Mutex<Vec<StageTime>>,
    notes: Mutex<Vec<String>>,
}

/// What a stage took.
#[derive(Debug, Clone)]
pub struct StageTime {
    /// The stage's name.
    pub name: String,
    /// The time on the wall.
    pub time: Duration,
    /// True if its result was in the cache.
    pub cached: bool,
    /// A version, a size.
    pub detail: String,
}

/// A stage that is under way; [`Stage::done`] writes it into the summary.
#[derive(Debug)]
pub struct Stage<'a> {
    ui: &'a Ui,
    name: String,
    started: Instant,
    bar: ProgressBar,
    reported: Mutex<u64>,
}

impl Ui {
    /// With `verbose`, tools' own output is shown as it comes and no bar is.
    pub fn new(verbose: bool) -> Self {
        Self {
            terminal: std::io::stderr().is_terminal() && !verbose,
            verbose,
            started: Instant::now(),
            rows: Mutex::default(),
            notes: Mutex::default(),
        }
    }

    /// Starts a stage. Nothing is shown before [`Stage::begin`], so a stage
    /// that finds its result in the cache stays silent.
    pub fn stage(&self, name: &str) -> Stage<'_> {
        Stage {
            ui: self,
            name: name.to_owned(),
            started: Instant::now(),
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
            reported: Mutex::new(0),
        }
    }

    /// Shows a line now and again in the summary: something the user must know.
    pub fn note(&self, line: impl Into<String>) {
        let line = line.into();
        eprintln!("{line}");
        lock(&self.notes).push(line);
    }

    /// Shows what a tool said, if the user asked to see it.
    pub fn tool_output(&self, output: &str) {
        if self.verbose {
            eprintln!("{output}");
        }
    }

    /// All notes so far.
    pub fn notes(&self) -> Vec<String> {
        lock(&self.notes).clone()
    }

    /// What the stages so far took, in their order.
    pub fn stages(&self) -> Vec<StageTime> {
        lock(&self.rows).clone()
    }

    /// Prints the table of stages to standard error: wall time, what came from
    /// the cache, details.
    pub fn summary(&self) {
        let rows = lock(&self.rows);
        let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        for StageTime {
            name,
            time,
            cached,
            detail,
        } in rows.iter()
        {
            let time = if *cached {
                "cached".to_owned()
            } else {
                format!("{:.1} s", time.as_secs_f64())
            };
            eprintln!("  {name:width$}  {time:>8}  {detail}");
        }
        for note in lock(&self.notes).iter() {
            eprintln!("  note: {note}");
        }
        eprintln!(
            "  {:width$}  {:>6.1} s",
            "total",
            self.started.elapsed().as_secs_f64()
        );
    }
}

impl Stage<'_> {
    /// Says that work begins: a bar on a terminal, a line elsewhere. `total`
    /// is the number of steps, 0 if it is not known.
    pub fn begin(&self, what: &str, total: u64) {
        if !self.ui.terminal {
            eprintln!("{}: {what}", self.name);
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
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// Says how many steps are done. Without a terminal, each fifth of the
    /// whole is reported of.
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
            eprintln!("{}: {position} of {total}", self.name);
        }
    }

    /// Says what is being worked on.
    pub fn message(&self, message: &str) {
        self.bar.set_message(message.to_owned());
    }

    /// Shows a tool's own line, if the user asked to see them.
    pub fn tool_line(&self, line: &str) {
        self.ui.tool_output(line);
    }

    /// Ends the stage; `detail` (a version, a size) goes into the summary.
    pub fn done(self, cached: bool, detail: impl Into<String>) {
        self.bar.finish_and_clear();
        let time = self.started.elapsed();
        if !cached {
            eprintln!("{}: done in {:.1} s", self.name, time.as_secs_f64());
        }
        lock(&self.ui.rows).push(StageTime {
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

/// A size for people: `14.2 MiB`.
pub fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}
