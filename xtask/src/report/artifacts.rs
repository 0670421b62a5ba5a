//! The artifacts of a failure: a folder with all records of the run.
//!
//! ```text
//! report.txt       the details, as on a terminal
//! run.json         the entry of this run, as in --json
//! kernel.log       all bytes of the kernel's console; of a very long log, both ends
//! shell.log        the commands and their output; of a very long output, both ends
//! transcript.cast  the commands and their output, for `asciinema play`
//! trace.txt        the kernel's report of an oops, a warning or a hang
//! timeline.txt     the timeline, with `--timeline`
//! qemu.txt         QEMU's command line
//! kernel.config    the kernel's configuration
//! ```

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Result};

use super::{asciicast, detail_lines, json, timelines};
use crate::cache::{Cache, remove};
use crate::failure::Failure;
use crate::kernel::KernelImage;
use crate::lesson::Lesson;
use crate::lesson::kernel_log::without_levels;
use crate::lesson::verdict::Verdict;
use crate::run::{CompletedRun, RunEvent, RunObserver};
use crate::session::Session;
use crate::text::Ends;
use crate::ui::Ui;

/// Most folders of failures in the cache, one per run of the suite.
const MAX_FOLDERS: usize = 20;

/// The folder for the failures of one run of the suite.
#[derive(Debug)]
pub struct Artifacts {
    parent: ArtifactsParent,
    /// The folder, after the first failure.
    folder: OnceLock<PathBuf>,
}

#[derive(Debug)]
enum ArtifactsParent {
    /// The folder that the user chose.
    Given(PathBuf),
    /// A folder of the cache, in which each run of the suite gets a folder.
    Cache(PathBuf),
}

impl Artifacts {
    /// Returns the folder that the user names, or else a new folder in the cache's
    /// folder `artifacts`. The folder is created with the first failure.
    ///
    /// # Errors
    ///
    /// If the user's folder is a file.
    pub fn new(given: Option<&Path>, cache: &Cache) -> Result<Self> {
        let parent = match given {
            Some(given) if given.exists() && !given.is_dir() => {
                let what = format!("--artifacts: {} is not a folder", given.display());
                return Err(Failure::usage(what).into());
            }
            Some(given) => ArtifactsParent::Given(
                std::path::absolute(given)
                    .with_context(|| format!("cannot use {}", given.display()))?,
            ),
            None => ArtifactsParent::Cache(cache.root().join("artifacts")),
        };
        Ok(Self {
            parent,
            folder: OnceLock::new(),
        })
    }

    /// Returns the folder, if there was a failure.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.get().map(PathBuf::as_path)
    }

    /// Returns the folder for the artifacts of a failed run with this id, or `None` with a
    /// note if the folder cannot be created.
    pub fn folder_of(&self, id: &str, ui: &Ui) -> Option<PathBuf> {
        match self.create() {
            Ok(folder) => Some(folder.join(id)),
            Err(error) => {
                ui.note(format!("{id}: {error:#}"));
                None
            }
        }
    }

    /// Returns an observer that writes the artifacts of each failed run into its folder.
    pub fn writer<'a>(session: &'a Session, kernel: &'a KernelImage) -> ArtifactWriter<'a> {
        ArtifactWriter { session, kernel }
    }

    /// Returns the folder, which is created if necessary.
    fn create(&self) -> Result<&Path> {
        if let Some(folder) = self.folder() {
            return Ok(folder);
        }
        let folder = match &self.parent {
            ArtifactsParent::Given(given) => {
                std::fs::create_dir_all(given)
                    .with_context(|| format!("cannot create {}", given.display()))?;
                given.clone()
            }
            ArtifactsParent::Cache(parent) => numbered(parent)?,
        };
        Ok(self.folder.get_or_init(|| folder))
    }
}

/// An observer that writes the artifacts of failed runs.
#[derive(Debug)]
pub struct ArtifactWriter<'a> {
    session: &'a Session,
    kernel: &'a KernelImage,
}

impl RunObserver for ArtifactWriter<'_> {
    fn on_event(&self, event: &RunEvent<'_>) {
        if let RunEvent::Completed { case, completed } = event
            && let Some(folder) = &completed.outcome.artifacts
            && let Err(error) = write_all(folder, case.lesson, self.kernel, completed)
        {
            let label = completed.outcome.label();
            self.session.ui.note(format!("{label}: {error:#}"));
        }
    }
}

/// Writes the artifacts of a failed run into `folder`.
fn write_all(
    folder: &Path,
    lesson: &Lesson,
    kernel: &KernelImage,
    completed: &CompletedRun,
) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let CompletedRun {
        outcome,
        run,
        session,
        observed,
        timeline,
        ..
    } = completed;
    let write = |name: &str, contents: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, contents).with_context(|| format!("cannot write {}", path.display()))
    };
    let lines = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect();
    let report: String = lines(&detail_lines(outcome));
    write("report.txt", report.as_bytes())?;
    write(
        "run.json",
        json::pretty(&json::RunEntry::from(outcome))?.as_bytes(),
    )?;
    write("kernel.log", &shortened(&without_levels(&run.log)))?;
    write("shell.log", session.as_bytes())?;
    let cast = asciicast::text(
        &outcome.label(),
        &lesson.transcript.steps,
        &observed.steps,
        &outcome.verdict,
    );
    write("transcript.cast", cast.as_bytes())?;
    if let Verdict::KernelReport { report, .. }
    | Verdict::Panic { report, .. }
    | Verdict::Hang { report, .. } = &outcome.verdict
    {
        let trace: String = lines(report);
        write("trace.txt", trace.as_bytes())?;
    } else {
        // A folder of the user may contain the file of an earlier run.
        remove(&folder.join("trace.txt"))?;
    }
    match timeline {
        Some(timeline) => write("timeline.txt", timelines::text(timeline).as_bytes())?,
        None => remove(&folder.join("timeline.txt"))?,
    }
    write("qemu.txt", format!("{}\n", run.command).as_bytes())?;
    let config = kernel.objects.join(".config");
    std::fs::copy(&config, folder.join("kernel.config"))
        .with_context(|| format!("cannot copy {}", config.display()))?;
    Ok(())
}

/// Maximum length of a kernel's log in the artifacts, in bytes: many times that of a lesson.
const MAX_LOG: usize = 4 << 20;

/// Returns a log without its middle if it is very long.
fn shortened(log: &[u8]) -> Cow<'_, [u8]> {
    match Ends::of(log, MAX_LOG) {
        None => Cow::Borrowed(log),
        Some(ends) => {
            let note = format!("{}\n", ends.note());
            Cow::Owned([ends.first, note.as_bytes(), ends.last].concat())
        }
    }
}

/// Creates a folder in `parent` whose name is the next number, and removes the
/// oldest beyond [`MAX_FOLDERS`].
fn numbered(parent: &Path) -> Result<PathBuf> {
    let list = || format!("cannot list {}", parent.display());
    std::fs::create_dir_all(parent)
        .with_context(|| format!("cannot create {}", parent.display()))?;
    let mut numbers: Vec<u64> = Vec::new();
    for entry in std::fs::read_dir(parent).with_context(list)? {
        let name = entry.with_context(list)?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    let mut number = numbers.last().copied().unwrap_or(0);
    let folder = loop {
        // Another xtask may try the same number; only one can create the folder.
        number += 1;
        let folder = parent.join(number.to_string());
        match std::fs::create_dir(&folder) {
            Ok(()) => break folder,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create {}", folder.display()));
            }
        }
    };
    let surplus = (numbers.len() + 1).saturating_sub(MAX_FOLDERS);
    for old in &numbers[..surplus] {
        remove(&parent.join(old.to_string()))?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_gets_a_folder_and_the_oldest_goes() -> Result<()> {
        let parent = tempfile::tempdir()?;
        std::fs::create_dir(parent.path().join("mine"))?;
        for number in 1..=MAX_FOLDERS + 3 {
            let folder = numbered(parent.path())?;
            assert_eq!(folder, parent.path().join(number.to_string()));
        }
        assert!(!parent.path().join("3").exists());
        assert!(parent.path().join("4").exists());
        assert!(parent.path().join("mine").exists());
        Ok(())
    }

    #[test]
    fn two_at_once_get_two() -> Result<()> {
        let parent = tempfile::tempdir()?;
        let made: Vec<PathBuf> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| numbered(parent.path())))
                .collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended.flatten().flatten().collect()
        });
        assert_eq!(made.len(), 8);
        assert_eq!(std::fs::read_dir(parent.path())?.count(), 8);
        Ok(())
    }
}
