//! Lessons: a README's console blocks, played in a guest and compared.
//!
//! ```text
//! README.md -> Transcript -> script -> (a guest plays it) -> GuestRun
//!     -> GuestRecord + KernelLog -> Verdict
//! ```

pub mod compare;
pub mod excerpts;
pub mod follow;
pub mod judge;
pub mod kernel_log;
pub mod leaks;
pub mod record;
pub mod script;
pub mod state;
pub mod subject;
pub mod syntax;
pub mod timestamp;
pub mod tracing;
pub mod transcript;
mod trim;
pub mod update;
pub mod verdict;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::failure::Failure;
use crate::modules::{self, Language};
use crate::workspace::Workspace;
use transcript::Transcript;

/// A lesson: a folder of `modules/lessons/` with a README. A race, a folder of
/// `modules/races/`, is one too, but is not played unless it is asked for.
#[derive(Debug, Clone)]
pub struct Lesson {
    /// The folder's name, which is the module's too.
    pub name: String,
    /// Where it is.
    pub folder: PathBuf,
    /// Its text, as a path from the clone's top folder: for messages.
    pub readme: PathBuf,
    /// The text's first heading.
    pub title: String,
    /// What the text's console blocks say.
    pub transcript: Transcript,
    /// Why there is no module in Rust, if the text says so: `<!-- no rust: WHY -->`.
    pub no_rust: Option<String>,
    /// Why it cannot be played on one CPU, if the text says so: `<!-- two cpus: WHY -->`.
    pub two_cpus: Option<String>,
}

impl Lesson {
    /// Refuses commands that are no shell. Not done when lessons are loaded:
    /// it asks a shell about each command, and only who plays them must know.
    pub fn check_commands(&self) -> Result<()> {
        syntax::check(&self.transcript, &self.readme)
    }
}

impl Lesson {
    /// Whether there is a module in this language. In Rust there is, unless the
    /// text says why not; in C there is if its source is there.
    pub fn is_in(&self, language: Language) -> bool {
        match language {
            Language::Rust => self.no_rust.is_none(),
            Language::C => self.folder.join(language.source(&self.name)).is_file(),
        }
    }

    /// What to say of a lesson that has no module in `language`.
    pub fn lacks(&self, language: Language) -> String {
        if let (Language::Rust, Some(why)) = (language, &self.no_rust) {
            return format!("no Rust module: {why}");
        }
        format!(
            "no {} twin: {} is not there",
            language.title(),
            self.readme
                .with_file_name("")
                .join(language.source(&self.name))
                .display()
        )
    }
}

/// All lessons, in the order of their names.
///
/// A lesson whose text is malformed is an error that names file and line.
pub fn all(workspace: &Workspace) -> Result<Vec<Lesson>> {
    load_all(workspace, &lessons(workspace)?)
}

/// All races and their mended twins, as [`all`] has all lessons.
pub fn all_races(workspace: &Workspace) -> Result<Vec<Lesson>> {
    load_all(workspace, &races(workspace)?)
}

/// The lessons and races with these names, in their order; without names, all
/// lessons. A name with a `*`, which stands for any letters or none, means all
/// that fit. A lesson that is named twice counts once.
///
/// A name that no lesson or race has, or that none fits, is an error of usage.
pub fn select(workspace: &Workspace, wanted: &[String]) -> Result<Vec<Lesson>> {
    if wanted.is_empty() {
        return all(workspace);
    }
    let (lessons, races) = (lessons(workspace)?, races(workspace)?);
    named(workspace, wanted, &[("lesson", lessons), ("race", races)])
}

/// The races with these names, as [`select`] has lessons; without names, all.
pub fn select_races(workspace: &Workspace, wanted: &[String]) -> Result<Vec<Lesson>> {
    if wanted.is_empty() {
        return all_races(workspace);
    }
    named(workspace, wanted, &[("race", races(workspace)?)])
}

/// Those of `known`, names of each kind, that are `wanted`.
fn named(
    workspace: &Workspace,
    wanted: &[String],
    known: &[(&str, Vec<String>)],
) -> Result<Vec<Lesson>> {
    let names = || known.iter().flat_map(|(_, names)| names);
    let mut lessons: Vec<Lesson> = Vec::new();
    for name in wanted {
        let pattern = name.replace('*', compare::WILDCARD);
        let mut meant = names()
            .filter(|known| compare::line_matches(&pattern, known))
            .peekable();
        if meant.peek().is_none() {
            return Err(Failure::usage(unknown(name, known)).into());
        }
        for name in meant {
            if !lessons.iter().any(|lesson| lesson.name == *name) {
                lessons.push(load(workspace, name)?);
            }
        }
    }
    Ok(lessons)
}

/// The names of all lessons, sorted.
fn lessons(workspace: &Workspace) -> Result<Vec<String>> {
    names_in(&workspace.lessons())
}

/// The names of all races and of their mended twins, sorted. A clone may have
/// none.
fn races(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.races();
    match folder.is_dir() {
        true => names_in(&folder),
        false => Ok(Vec::new()),
    }
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let list = || format!("cannot list the lessons in {}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(list)? {
        let entry = entry.with_context(list)?;
        if entry.path().join("README.md").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn load_all(workspace: &Workspace, names: &[String]) -> Result<Vec<Lesson>> {
    names.iter().map(|name| load(workspace, name)).collect()
}

fn load(workspace: &Workspace, name: &str) -> Result<Lesson> {
    let folder = workspace.folder_of(name);
    modules::check_name(
        name,
        folder.strip_prefix(workspace.root()).unwrap_or(&folder),
    )?;
    let path = folder.join("README.md");
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let readme = path
        .strip_prefix(workspace.root())
        .unwrap_or(&path)
        .to_owned();
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytecount(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        Failure::lesson(format!(
            "{}:{line}: this is not UTF-8; save the file as UTF-8",
            readme.display()
        ))
    })?;
    let transcript = transcript::parse(&text, &readme)?;
    Ok(Lesson {
        name: name.to_owned(),
        title: transcript::title(&text).unwrap_or_else(|| name.to_owned()),
        no_rust: transcript::comment(&text, "no rust"),
        two_cpus: transcript::comment(&text, "two cpus"),
        folder,
        readme,
        transcript,
    })
}

fn bytecount(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

/// What to say of a lesson that does not exist.
fn unknown(name: &str, known: &[(&str, Vec<String>)]) -> String {
    let nearest = known
        .iter()
        .flat_map(|(_, names)| names)
        .map(|known| (distance(name, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.chars().count().div_ceil(3))
        .map_or_else(String::new, |(_, known)| {
            format!("; did you mean `{known}`?")
        });
    let kind = known.first().map_or("lesson", |(kind, _)| *kind);
    if known.iter().all(|(_, names)| names.is_empty()) {
        return format!("there is no {kind} `{name}`, nor any other in modules/{kind}s");
    }
    let none = if name.contains('*') {
        format!("no {kind}'s name fits `{name}`")
    } else {
        format!("there is no {kind} `{name}`{nearest}")
    };
    let lists = known
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(kind, names)| format!("\nthe {kind}s are: {}", names.join(", ")));
    none + &lists.collect::<String>()
}

/// How many letters must be added, dropped or changed to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Fault, fault_of};

    fn clone() -> Result<(tempfile::TempDir, Workspace)> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("kernel-config"))?;
        for name in ["waitqueue", "kthread_run"] {
            let lesson = folder.path().join("modules/lessons").join(name);
            std::fs::create_dir_all(&lesson)?;
            std::fs::write(
                lesson.join("README.md"),
                format!("# About `{name}`\n\n```console\n$ true\n```\n"),
            )?;
        }
        let workspace = Workspace::at(folder.path())?;
        Ok((folder, workspace))
    }

    /// Adds a race with this text.
    fn add_race(workspace: &Workspace, name: &str, text: &str) -> Result<()> {
        let folder = workspace.races().join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(std::fs::write(folder.join("README.md"), text)?)
    }

    #[test]
    fn races_come_when_they_are_asked_for() -> Result<()> {
        let (_folder, workspace) = clone()?;
        assert!(all_races(&workspace)?.is_empty());
        let text = "# A race\n\n```console\n$ true\n```\n";
        add_race(&workspace, "wait_lost", text)?;
        let forbidden = "<!-- no rust: the borrow checker\nforbids it -->\n";
        add_race(&workspace, "use_late", &format!("{text}{forbidden}"))?;
        let names = |lessons: Vec<Lesson>| -> Vec<String> {
            lessons.into_iter().map(|lesson| lesson.name).collect()
        };
        let wanted = |name: &str| vec![name.to_owned()];
        assert_eq!(
            names(select(&workspace, &[])?),
            ["kthread_run", "waitqueue"]
        );
        assert_eq!(
            names(select(&workspace, &wanted("use_late"))?),
            ["use_late"]
        );
        let both = names(select(&workspace, &wanted("wait*"))?);
        assert_eq!(both, ["waitqueue", "wait_lost"]);
        assert_eq!(
            names(select_races(&workspace, &wanted("wait*"))?),
            ["wait_lost"]
        );
        let races = select_races(&workspace, &[])?;
        let race = &races[0];
        assert_eq!(
            race.readme,
            PathBuf::from("modules/races/use_late/README.md")
        );
        assert!(!race.is_in(Language::Rust) && races[1].is_in(Language::Rust));
        assert_eq!(
            race.lacks(Language::Rust),
            "no Rust module: the borrow checker forbids it"
        );
        assert_eq!(
            race.lacks(Language::C),
            "no C twin: modules/races/use_late/c/use_late.c is not there"
        );
        assert_eq!(names(races), ["use_late", "wait_lost"]);

        let error = select(&workspace, &wanted("use_lat")).expect_err("an error");
        assert_eq!(
            error.to_string(),
            "there is no lesson `use_lat`; did you mean `use_late`?\n\
             the lessons are: kthread_run, waitqueue\n\
             the races are: use_late, wait_lost"
        );
        let error = select_races(&workspace, &wanted("kthread_run")).expect_err("an error");
        assert_eq!(
            error.to_string(),
            "there is no race `kthread_run`\nthe races are: use_late, wait_lost"
        );
        Ok(())
    }

    #[test]
    fn lessons_come_by_name() -> Result<()> {
        let (_folder, workspace) = clone()?;
        let names = |wanted: &[&str]| -> Result<Vec<String>> {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            let lessons = select(&workspace, &wanted)?;
            Ok(lessons.into_iter().map(|lesson| lesson.name).collect())
        };
        assert_eq!(names(&[])?, ["kthread_run", "waitqueue"]);
        assert_eq!(names(&["waitqueue", "waitqueue"])?, ["waitqueue"]);
        assert_eq!(names(&["*"])?, ["kthread_run", "waitqueue"]);
        assert_eq!(names(&["w*e", "*a*"])?, ["waitqueue", "kthread_run"]);
        assert_eq!(names(&["kthread_*", "*_run"])?, ["kthread_run"]);
        let lesson = &all(&workspace)?[0];
        assert_eq!(lesson.title, "About kthread_run");
        assert_eq!(
            lesson.readme,
            PathBuf::from("modules/lessons/kthread_run/README.md")
        );
        Ok(())
    }

    #[test]
    fn an_unknown_lesson_is_a_usage_error_that_helps() -> Result<()> {
        let (_folder, workspace) = clone()?;
        let error = select(&workspace, &["ktread_run".to_owned()]).expect_err("an error");
        assert_eq!(fault_of(&error), Fault::Usage);
        assert_eq!(
            error.to_string(),
            "there is no lesson `ktread_run`; did you mean `kthread_run`?\n\
             the lessons are: kthread_run, waitqueue"
        );
        let error = select(&workspace, &["zzz".to_owned()]).expect_err("an error");
        assert!(!error.to_string().contains("mean"), "{error}");
        let error = select(&workspace, &["wait*x".to_owned()]).expect_err("an error");
        assert_eq!(fault_of(&error), Fault::Usage);
        assert_eq!(
            error.to_string(),
            "no lesson's name fits `wait*x`\nthe lessons are: kthread_run, waitqueue"
        );
        Ok(())
    }

    #[test]
    fn text_that_is_not_utf8_is_told_with_its_line() -> Result<()> {
        let (folder, workspace) = clone()?;
        let readme = folder.path().join("modules/lessons/waitqueue/README.md");
        std::fs::write(readme, b"# x\n\n\xff\n")?;
        let error = all(&workspace).expect_err("an error");
        assert!(error.to_string().contains("waitqueue/README.md:3: "));
        Ok(())
    }
}
