//! `learn`: a student's folder, and the screen that checks answers when they are saved.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use super::common::{Common, OneLang};
use super::student::report;
use crate::exercise::Catalogue;
use crate::exercise::student::StudentFolder;
use crate::failure::Failure;
use crate::kernel::Profile;
use crate::learn::{self, Learner, worker};
use crate::modules::Language;
use crate::pipeline;
use crate::project::MANIFEST;
use crate::workspace::Workspace;

/// Options of `learn`.
#[derive(Debug, Clone, clap::Args)]
pub struct LearnOptions {
    #[command(flatten)]
    common: Common,

    /// The folder for your answers, which is made if it does not exist; the current one if left out
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,

    /// The language of a new folder's answers [default: the one that you choose]
    #[arg(long, value_enum)]
    lang: Option<OneLang>,

    /// Begin with this exercise, and not with the first that has not passed
    #[arg(long, value_name = "EXERCISE")]
    exercise: Option<String>,

    /// Print lines instead of a screen: for a screen reader, or a terminal without a cursor
    #[arg(long)]
    plain: bool,

    /// Check the answer to this exercise, and print messages for the screen
    #[arg(long, value_name = "ID", hide = true)]
    worker: Option<String>,
}

/// Makes or opens a student's folder, and shows the screen.
///
/// # Errors
///
/// If the folder cannot be made or opened, or the kernel cannot be built.
pub fn run(options: &LearnOptions) -> Result<ExitCode> {
    let session = options.common.session()?;
    if let Some(id) = &options.worker {
        let root = options.folder.as_deref().unwrap_or(Path::new("."));
        let folder = StudentFolder::open(root)?;
        let source = options.common.source_request_or(&folder.kernel);
        return worker::run(&session, &folder, &source, id);
    }
    let (folder, catalogue) = open(options, &session.workspace)?;
    folder.write_cargo_alias(&session.workspace);
    let current = std::env::current_dir().context("cannot find the current folder")?;
    let chosen = folder.choose(&catalogue, options.exercise.as_deref(), &current);
    let id = match (chosen, catalogue.exercises.first()) {
        (Ok(exercise), _) => exercise.id.clone(),
        // All have passed.
        (Err(_), Some(first)) if options.exercise.is_none() => first.id.clone(),
        (Err(error), _) => return Err(error),
    };
    // A kernel's build takes minutes: its progress is shown before the screen.
    let source = options.common.source_request_or(&folder.kernel);
    pipeline::prepare_modules(&session, &source, &Profile::Teaching.into(), &[])?;
    let mut passed_on = options.common.kernel_args();
    if let Some(jobs) = options.common.jobs {
        passed_on.push(format!("--jobs={jobs}"));
    }
    // Packages are there now, and a question about them would not be seen.
    passed_on.push("--no-install".to_owned());
    let has_cursor = !matches!(std::env::var("TERM").as_deref(), Ok("dumb" | "") | Err(_));
    let is_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let plain = options.plain || !has_cursor || !is_terminal;
    learn::run(Learner::new(folder, catalogue, &id, passed_on)?, plain)?;
    Ok(ExitCode::SUCCESS)
}

/// Opens the student's folder, or makes it.
fn open(options: &LearnOptions, workspace: &Workspace) -> Result<(StudentFolder, Catalogue)> {
    let current = std::env::current_dir().context("cannot find the current folder")?;
    let root = options.folder.as_ref().unwrap_or(&current);
    let known = match &options.folder {
        Some(folder) if folder.join(MANIFEST).exists() => Some(StudentFolder::open(folder)?),
        Some(_) => None,
        None => StudentFolder::find(&current)?,
    };
    if let Some(folder) = known {
        let requested = options.lang.map(Language::from);
        if requested.is_some_and(|language| language != folder.language) {
            let (root, own) = (folder.root.display(), folder.language.title());
            bail!(Failure::usage(format!(
                "the answers in {root} are in {own}; give another folder for the other language"
            )));
        }
        let catalogue = folder.catalogue(workspace)?;
        for update in folder.update(&catalogue)? {
            report(&update);
        }
        return Ok((folder, catalogue));
    }
    if options.folder.is_none() && !is_empty(root) {
        bail!(Failure::usage(format!(
            "this folder has other files: name a folder for your answers, such as `{} learn \
             exercises`",
            crate::program::name()
        )));
    }
    let language = match options.lang {
        Some(lang) => lang.into(),
        None => ask_language()?,
    };
    let catalogue = Catalogue::of_clone(workspace)?;
    let folder = StudentFolder::init(root, language, &catalogue)?;
    crate::errln!(
        "{} has the exercises now, in {}; edit the files there with your own editor",
        root.display(),
        language.title()
    );
    Ok((folder, catalogue))
}

fn is_empty(folder: &Path) -> bool {
    let mut entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.next().is_none()
}

/// Asks on a terminal; elsewhere, it is Rust.
fn ask_language() -> Result<Language> {
    if !std::io::stdin().is_terminal() {
        return Ok(Language::Rust);
    }
    loop {
        let mut err = std::io::stderr();
        write!(
            err,
            "In which language do you want to write, Rust or C? [R/c] "
        )?;
        err.flush()?;
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            bail!(Failure::usage(
                "no answer came; use --lang rust or --lang c"
            ));
        }
        match line.trim().to_lowercase().as_str() {
            "" | "r" | "rust" => return Ok(Language::Rust),
            "c" => return Ok(Language::C),
            other => crate::errln!("`{other}` is neither"),
        }
    }
}
