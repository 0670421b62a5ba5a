//! `cargo xtask exercise`: proves exercises for those who write them.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use super::common::{Common, Lang, OneLang};
use crate::exercise::catalogue::Catalogue;
use crate::exercise::check::RefusalRule;
use crate::exercise::mistake::Mistake;
use crate::exercise::prove::{Proof, ProofKind, ProofSettings, prove, prove_mistakes};
use crate::exercise::student::StudentFolder;
use crate::exercise::{Exercise, WRONG};
use crate::failure::{Failure, Fault};
use crate::kernel::source::SourceRequest;
use crate::modules::Language;
use crate::report::check_details;
use crate::run::plan::Partition;
use crate::session::Session;
use crate::streams;
use crate::workspace::Workspace;

/// Options of `exercise`.
#[derive(Debug, Clone, clap::Args)]
pub struct ExerciseOptions {
    #[command(subcommand)]
    command: ExerciseCommand,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum ExerciseCommand {
    /// Prove that solutions pass, skeletons fail, and wrong answers end as they say
    Prove(ProveOptions),
    /// Make a folder for answers, with all exercises
    Init(InitOptions),
    /// Print the file that a student begins with, or a solution without marks
    Skeleton(SkeletonOptions),
}

#[derive(Debug, Clone, clap::Args)]
struct ProveOptions {
    #[command(flatten)]
    common: Common,

    /// The exercises, lessons with exercises, or folders of exercises; everything if left out
    ///
    /// A folder is a path that begins with `.` or `/`. With a lesson, its common mistakes
    /// (wrong/*.patch) are proved too.
    #[arg(value_name = "EXERCISE|LESSON|PATH")]
    names: Vec<String>,

    /// The language of the answers
    #[arg(long, value_enum, default_value = "both")]
    lang: Lang,

    /// Leave out the debug kernel and all schedules
    #[arg(long)]
    quick: bool,

    /// Prove the Kth of N parts: each exercise is in one of them, always the same
    #[arg(long, value_name = "K/N")]
    partition: Option<Partition>,
}

#[derive(Debug, Clone, clap::Args)]
struct InitOptions {
    /// The folder; what it already has stays
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// The language of the answers
    #[arg(long, value_enum, default_value = "rust")]
    lang: OneLang,
}

#[derive(Debug, Clone, clap::Args)]
struct SkeletonOptions {
    /// The exercise
    #[arg(value_name = "EXERCISE")]
    name: String,

    /// The language
    #[arg(long, value_enum, default_value = "rust")]
    lang: OneLang,

    /// The first TODO that stays open; with one more than there are, it is the solution
    #[arg(long, value_name = "N", default_value_t = 1)]
    todo: u32,
}

/// Runs the command; the status is 0 if all proofs hold, 1 if one does not, 69 if one is unknown.
///
/// # Errors
///
/// If a name is unknown, or the kernel cannot be built.
pub fn run(options: &ExerciseOptions) -> Result<ExitCode> {
    match &options.command {
        ExerciseCommand::Prove(options) => run_proofs(options),
        ExerciseCommand::Init(options) => init(options).map(|()| ExitCode::SUCCESS),
        ExerciseCommand::Skeleton(options) => skeleton(options).map(|()| ExitCode::SUCCESS),
    }
}

fn init(options: &InitOptions) -> Result<()> {
    let workspace = Workspace::find()?;
    let catalogue = Catalogue::of_clone(&workspace)?;
    let student = StudentFolder::init(&options.folder, options.lang.into(), &catalogue)?;
    student.write_cargo_alias(&workspace);
    let (folder, count) = (options.folder.display(), catalogue.exercises.len());
    let name = crate::program::name();
    writeln!(
        streams::stdout(),
        "{folder} has the exercises ({count}); change into it, then `{name} list` and `{name} check`"
    )?;
    Ok(())
}

fn skeleton(options: &SkeletonOptions) -> Result<()> {
    let catalogue = catalogue_for(&options.name)?;
    let exercise = match &catalogue.exercises[..] {
        [only] if is_folder(&options.name) => only,
        _ => catalogue.find(&options.name)?,
    };
    let language = Language::from(options.lang);
    let solution = exercise.solution(language).ok_or_else(|| {
        Failure::usage(format!(
            "{} has no solution in {}",
            exercise.id,
            language.title()
        ))
    })?;
    let variants = &exercise.task.variants;
    let text = solution.skeleton(options.todo, variants, &variants.defaults());
    write!(streams::stdout(), "{text}")?;
    Ok(())
}

fn is_folder(name: &str) -> bool {
    name.starts_with(['.', '/'])
}

fn catalogue_for(name: &str) -> Result<Catalogue> {
    match is_folder(name) {
        true => Catalogue::of_folder(Path::new(name)),
        false => Catalogue::of_clone(&Workspace::find()?),
    }
}

/// The exercises and lessons that are to be proved.
#[derive(Default)]
struct ProofSelection {
    /// The ids that were selected.
    ids: BTreeSet<String>,
    lessons: BTreeSet<String>,
    catalogues: Vec<Catalogue>,
    problems: Vec<String>,
}

impl ProofSelection {
    fn of(names: &[String]) -> Result<Self> {
        let mut selection = Self::default();
        let workspace = Workspace::find()?;
        for name in names.iter().filter(|name| is_folder(name)) {
            let catalogue = Catalogue::of_folder(Path::new(name))?;
            selection.whole(catalogue);
        }
        if names.is_empty() {
            selection.whole(Catalogue::of_clone(&workspace)?);
            for parent in [workspace.lessons(), workspace.races()] {
                for entry in std::fs::read_dir(&parent).into_iter().flatten().flatten() {
                    if entry.path().join(WRONG).is_dir() {
                        let name = entry.file_name().to_string_lossy().into_owned();
                        selection.lessons.insert(name);
                    }
                }
            }
        }
        let names: Vec<&String> = names.iter().filter(|name| !is_folder(name)).collect();
        if names.is_empty() {
            return Ok(selection);
        }
        let catalogue = Catalogue::of_clone(&workspace)?;
        for name in names {
            let of_lesson: Vec<String> = catalogue
                .of_lesson(name)
                .map(|exercise| exercise.id.clone())
                .collect();
            let has_mistakes = workspace.folder_of(name).join(WRONG).is_dir();
            let broken = catalogue.broken.iter();
            let is_below = |id: &str| id.split_once('/').is_some_and(|(lesson, _)| lesson == name);
            let broken: Vec<String> = broken
                .filter(|broken| is_below(&broken.id))
                .map(|broken| broken.problem.clone())
                .collect();
            if of_lesson.is_empty() && broken.is_empty() && !has_mistakes {
                selection.ids.insert(catalogue.find(name)?.id.clone());
                continue;
            }
            selection.problems.extend(broken);
            selection.ids.extend(of_lesson);
            if has_mistakes {
                selection.lessons.insert(name.clone());
            }
        }
        selection.catalogues.push(catalogue);
        Ok(selection)
    }

    /// Selects all exercises of a catalogue.
    fn whole(&mut self, catalogue: Catalogue) {
        let broken = catalogue.broken.iter();
        self.problems
            .extend(broken.map(|broken| broken.problem.clone()));
        self.problems.extend(catalogue.problems.iter().cloned());
        let ids = catalogue
            .exercises
            .iter()
            .map(|exercise| exercise.id.clone());
        self.ids.extend(ids);
        self.catalogues.push(catalogue);
    }

    fn exercises(&self) -> Vec<&Exercise> {
        let all = self
            .catalogues
            .iter()
            .flat_map(|catalogue| &catalogue.exercises);
        all.filter(|exercise| self.ids.contains(&exercise.id))
            .collect()
    }
}

fn run_proofs(options: &ProveOptions) -> Result<ExitCode> {
    let started = Instant::now();
    let selection = ProofSelection::of(&options.names)?;
    let is_selected = |index: usize| options.partition.is_none_or(|part| part.has(index));
    let exercises = selection.exercises().into_iter().enumerate();
    let exercises = exercises.filter(|(index, _)| is_selected(*index));
    let exercises: Vec<&Exercise> = exercises.map(|(_, exercise)| exercise).collect();
    let mut problems = selection.problems.clone();
    let session = options.common.session()?;
    let mut mistakes = Vec::new();
    let lessons = selection.lessons.iter().enumerate();
    for (_, lesson) in lessons.filter(|(index, _)| is_selected(*index)) {
        match Mistake::of_lesson(&session.workspace, lesson) {
            Ok(own) => mistakes.extend(own),
            Err(error) => problems.push(format!("{error:#}")),
        }
    }
    let source = options.common.source_request();
    let settings = ProofSettings {
        source: &source,
        languages: options.lang.languages(),
        quick: options.quick,
        refusal: &|_, _| None,
    };
    let mut proofs = prove(&session, &exercises, settings)?;
    let mistakes: Vec<&Mistake> = mistakes.iter().collect();
    proofs.extend(prove_mistakes(&session, &mistakes, settings)?);
    print(&proofs, &problems, started)
}

/// Proves these exercises in both languages, and prints the results. The status is 0 if all proofs
/// hold, 1 if one does not, 69 if one is unknown.
///
/// # Errors
///
/// If the kernel cannot be built.
pub(super) fn prove_all(
    session: &Session,
    source: &SourceRequest,
    exercises: &[&Exercise],
    quick: bool,
    refusal: RefusalRule<'_>,
) -> Result<ExitCode> {
    let started = Instant::now();
    let settings = ProofSettings {
        source,
        languages: &[Language::Rust, Language::C],
        quick,
        refusal,
    };
    print(&prove(session, exercises, settings)?, &[], started)
}

/// Prints proofs, and returns the status that follows from them.
fn print(proofs: &[Proof], problems: &[String], started: Instant) -> Result<ExitCode> {
    let mut out = streams::stdout();
    for problem in problems {
        writeln!(out, "{problem}\n")?;
    }
    for proof in proofs {
        if let Some(failure) = &proof.failure {
            print_failure(&mut out, proof, failure)?;
        }
    }
    print_table(&mut out, proofs)?;
    let failed = proofs
        .iter()
        .filter(|proof| proof.failure.is_some())
        .count();
    let holds = proofs.len() - failed;
    let seconds = started.elapsed().as_secs_f64();
    let wrong = failed + problems.len();
    writeln!(
        out,
        "{holds} proofs hold, {wrong} do not, in {seconds:.0} s"
    )?;
    let unknown = proofs.iter().any(|proof| proof.unknown);
    Ok(match wrong {
        0 => ExitCode::SUCCESS,
        _ if unknown => ExitCode::from(Fault::Host.status()),
        _ => ExitCode::from(Fault::Lesson.status()),
    })
}

fn print_failure(out: &mut dyn std::io::Write, proof: &Proof, failure: &str) -> Result<()> {
    let Proof {
        exercise,
        language,
        kind,
        subject,
        ..
    } = proof;
    let on = match kind {
        ProofKind::Debug => ", on the debug kernel",
        _ => "",
    };
    writeln!(out, "{exercise} ({language}), {subject}{on}:\n  {failure}")?;
    let part = proof
        .result
        .as_ref()
        .and_then(|result| result.failed_part());
    if let Some(outcome) = part.and_then(|part| part.outcome.as_ref())
        && outcome.failed()
    {
        for line in check_details(outcome) {
            writeln!(out, "  {line}")?;
        }
    }
    writeln!(out)?;
    Ok(())
}

/// Prints a row for each exercise and language, with a column for each kind of proof.
fn print_table(out: &mut dyn std::io::Write, proofs: &[Proof]) -> Result<()> {
    const COLUMNS: [(ProofKind, &str); 5] = [
        (ProofKind::Solution, "solution"),
        (ProofKind::Debug, "debug"),
        (ProofKind::Start, "skeleton"),
        (ProofKind::Step, "steps"),
        (ProofKind::Wrong, "wrong"),
    ];
    let width = proofs.iter().map(|proof| proof.exercise.len()).max();
    let width = width.unwrap_or(0).max("exercise".len());
    write!(out, "{:width$}  lang", "exercise")?;
    for (_, title) in COLUMNS {
        write!(out, "  {title:>8}")?;
    }
    writeln!(out)?;
    let rows = proofs.chunk_by(|a, b| (&a.exercise, a.language) == (&b.exercise, b.language));
    for row in rows {
        let Some(first) = row.first() else { continue };
        write!(
            out,
            "{:width$}  {:4}",
            first.exercise,
            first.language.name()
        )?;
        for (kind, _) in COLUMNS {
            let of_kind = || row.iter().filter(|proof| proof.kind == kind);
            let failed = of_kind().filter(|proof| proof.failure.is_some()).count();
            let cell = match (of_kind().count(), failed) {
                (0, _) => "-".to_owned(),
                (1, 0) => "ok".to_owned(),
                (count, 0) => format!("{count} ok"),
                (1, _) => "FAILS".to_owned(),
                (_, failed) => format!("{failed} FAIL"),
            };
            write!(out, "  {cell:>8}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}
