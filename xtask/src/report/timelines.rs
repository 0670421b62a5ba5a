//! The timelines of a run of the suite: a folder with three files per run.
//!
//! ```text
//! kthread_run-rust.txt            text with the times of the kernel's log
//! kthread_run-rust.html           a self-contained page
//! kthread_run-rust.perfetto.json  for https://ui.perfetto.dev
//! ```

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use rustix::termios::tcgetwinsize;

use crate::failure::Failure;
use crate::run::{CompletedRun, NarrowedRace, NarrowingResult, RunEvent, RunObserver};
use crate::timeline::{TextStyle, Timeline};
use crate::ui::Ui;

/// Characters in a line where the width of the terminal is not known.
const DEFAULT_WIDTH: usize = 100;

/// Fewest characters in which a line is readable.
const MIN_WIDTH: usize = 60;

/// The folder for the timelines.
#[derive(Debug)]
pub struct Timelines {
    folder: PathBuf,
    written: Mutex<WrittenTimelines>,
}

#[derive(Debug, Default)]
struct WrittenTimelines {
    count: usize,
    /// The first timeline, until there is a second.
    only: Option<Timeline>,
}

impl Timelines {
    /// Creates the folder, if necessary.
    ///
    /// # Errors
    ///
    /// If files cannot be written in the folder.
    pub fn new(folder: &Path) -> Result<Self> {
        let refuse = |why: &str| -> anyhow::Error {
            let folder = folder.display();
            Failure::usage(format!("--timeline: {folder} cannot be used: {why}")).into()
        };
        if folder.exists() && !folder.is_dir() {
            return Err(refuse("it is not a folder"));
        }
        std::fs::create_dir_all(folder).map_err(|error| refuse(&error.to_string()))?;
        tempfile::tempfile_in(folder).map_err(|error| refuse(&error.to_string()))?;
        Ok(Self {
            folder: std::path::absolute(folder)
                .with_context(|| format!("cannot use {}", folder.display()))?,
            written: Mutex::default(),
        })
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns an observer that writes the timeline of each run into the folder.
    pub fn writer<'a>(&'a self, ui: &'a Ui) -> TimelineWriter<'a> {
        TimelineWriter {
            timelines: self,
            ui,
        }
    }

    /// Writes the files of a run's timeline. Files of an earlier run with the same id are
    /// overwritten.
    fn write(&self, completed: &CompletedRun) -> Result<()> {
        let Some(timeline) = &completed.timeline else {
            return Ok(());
        };
        self.write_files(&completed.outcome.id(), timeline)?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.count += 1;
        written.only = (written.count == 1).then(|| timeline.clone());
        Ok(())
    }

    /// Writes the timelines of narrowed schedules, each with the failing run and its passing twin.
    pub fn write_pairs(&self, narrowed: &[NarrowedRace], ui: &Ui) {
        for race in narrowed {
            let NarrowedRace {
                lesson,
                language,
                seed,
                result,
                ..
            } = race;
            if let NarrowingResult::Narrowed(narrowed) = result
                && let Some(pair) = &narrowed.pair
            {
                let id = format!("{lesson}-{language}.seed{seed}.narrowed");
                if let Err(error) = self.write_files(&id, &pair.timelines.both()) {
                    ui.note(format!("{error:#}"));
                }
            }
        }
    }

    fn write_files(&self, id: &str, timeline: &Timeline) -> Result<()> {
        let write = |ending: &str, contents: &str| {
            let path = self.folder.join(format!("{id}.{ending}"));
            std::fs::write(&path, contents)
                .with_context(|| format!("cannot write {}", path.display()))
        };
        write("txt", &text(timeline))?;
        write("html", &timeline.page())?;
        write("perfetto.json", &timeline.perfetto()?)
    }

    /// Returns the timeline as text if there is only one: for a terminal, as wide as
    /// the terminal.
    pub fn only(&self, terminal: bool) -> Option<String> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let style = style(terminal);
        written.only.as_ref().map(|timeline| timeline.text(style))
    }
}

/// Returns the style of a timeline on standard output, as wide as the terminal.
fn style(terminal: bool) -> TextStyle {
    let width = terminal
        .then(|| tcgetwinsize(std::io::stdout()).ok())
        .flatten()
        .map(|size| usize::from(size.ws_col))
        .filter(|width| *width > 0);
    TextStyle {
        width: Some(width.unwrap_or(DEFAULT_WIDTH).max(MIN_WIDTH)),
        timestamps: false,
    }
}

/// Returns the style of a timeline with this number of columns, else as wide as standard output.
pub fn terminal_style(columns: Option<usize>) -> TextStyle {
    match columns {
        Some(columns) => TextStyle {
            width: Some(columns.max(MIN_WIDTH)),
            timestamps: false,
        },
        None => style(std::io::stdout().is_terminal()),
    }
}

/// An observer that writes the timeline of each run.
#[derive(Debug)]
pub struct TimelineWriter<'a> {
    timelines: &'a Timelines,
    ui: &'a Ui,
}

impl RunObserver for TimelineWriter<'_> {
    fn on_event(&self, event: &RunEvent<'_>) {
        if let RunEvent::Completed { completed, .. } = event
            && let Err(error) = self.timelines.write(completed)
        {
            let label = completed.outcome.label();
            self.ui.note(format!("{label}: {error:#}"));
        }
    }
}

/// Returns a timeline as text for a file.
pub(super) fn text(timeline: &Timeline) -> String {
    timeline.text(TextStyle {
        width: None,
        timestamps: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_folder_is_refused_and_a_new_one_is_created() -> Result<()> {
        let parent = tempfile::tempdir()?;
        let file = parent.path().join("file");
        std::fs::write(&file, "")?;
        for bad in [file.clone(), file.join("below"), PathBuf::from("/proc/x")] {
            let Err(error) = Timelines::new(&bad) else {
                panic!("{} was accepted", bad.display());
            };
            assert!(error.to_string().starts_with("--timeline: "), "{error:#}");
            assert!(error.is::<Failure>());
        }
        let new = parent.path().join("a/b");
        assert_eq!(Timelines::new(&new)?.folder(), new);
        assert!(new.is_dir());
        Ok(())
    }
}
