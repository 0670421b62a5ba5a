//! Lessons: kmodlab runs the console blocks of a README in a guest and compares what
//! the guest prints with what the README shows.
//!
//! ```text
//! README.md -> Transcript -> (run in a guest) -> GuestRun
//!     -> GuestRecord + KernelLog -> Verdict
//! ```

pub mod assignment;
pub mod compare;
pub mod excerpts;
pub mod judge;
pub mod kernel_log;
pub mod leaks;
pub mod left_behind;
pub mod record;
pub mod subject;
pub mod syntax;
pub mod timestamp;
pub mod trace_dump;
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

/// A folder of `modules/lessons/` or `modules/races/` with a README. Commands run
/// races only if their names are given.
#[derive(Debug, Clone)]
pub struct Lesson {
    /// The folder's name, which is also the module's.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// The README's path relative to the workspace's root, for messages.
    pub readme: PathBuf,
    /// The README's first heading.
    pub title: String,
    /// The commands and outputs in the README's console blocks.
    pub transcript: Transcript,
    /// The reason why the lesson has no module in Rust, from the README's comment
    /// `<!-- no rust: WHY -->`.
    pub no_rust: Option<String>,
    /// The reason why the lesson needs two CPUs, from the README's comment
    /// `<!-- two cpus: WHY -->`.
    pub two_cpus: Option<String>,
}

impl Lesson {
    /// Checks that the commands are valid shell commands. Loading a lesson does not
    /// check this, because each command costs one shell.
    ///
    /// # Errors
    ///
    /// Fails on the first invalid command, with the README's line.
    pub fn check_commands(&self) -> Result<()> {
        syntax::check(&self.transcript, &self.readme)
    }

    /// Returns whether the lesson has a module in `language`: in Rust unless the
    /// README gives a reason against it, in C if the source file exists.
    pub fn is_in(&self, language: Language) -> bool {
        match language {
            Language::Rust => self.no_rust.is_none(),
            Language::C => self.folder.join(language.source(&self.name)).is_file(),
        }
    }

    /// Returns the message for a lesson that has no module in `language`.
    pub fn lacks(&self, language: Language) -> String {
        if let (Language::Rust, Some(why)) = (language, &self.no_rust) {
            return format!("no Rust module: {why}");
        }
        format!(
            "no {} twin: {} does not exist",
            language.title(),
            self.readme
                .with_file_name("")
                .join(language.source(&self.name))
                .display()
        )
    }
}

/// Loads all lessons, sorted by name.
///
/// # Errors
///
/// Fails if a README cannot be read or is malformed; the message names the README's
/// path and line.
pub fn all(workspace: &Workspace) -> Result<Vec<Lesson>> {
    load_all(workspace, &lessons(workspace)?)
}

/// Loads all races and their corrected versions, sorted by name.
///
/// # Errors
///
/// Fails as [`all`] does.
pub fn all_races(workspace: &Workspace) -> Result<Vec<Lesson>> {
    load_all(workspace, &races(workspace)?)
}

/// Loads the lessons and races with these names, in this order and each once;
/// without names, all lessons. In a name, `*` matches any text.
///
/// # Errors
///
/// Fails with [`Failure::usage`] if a name matches no lesson or race, and otherwise
/// as [`all`] does.
pub fn select(workspace: &Workspace, requested: &[String]) -> Result<Vec<Lesson>> {
    if requested.is_empty() {
        return all(workspace);
    }
    let (lessons, races) = (lessons(workspace)?, races(workspace)?);
    let known = [("lesson", lessons), ("race", races)];
    named(workspace, requested, &known)
}

/// Loads the races with these names, as [`select`] does; without names, all races.
///
/// # Errors
///
/// Fails as [`select`] does.
pub fn select_races(workspace: &Workspace, requested: &[String]) -> Result<Vec<Lesson>> {
    if requested.is_empty() {
        return all_races(workspace);
    }
    named(workspace, requested, &[("race", races(workspace)?)])
}

/// Loads the lessons whose names are requested. `known` has the names of each kind.
fn named(
    workspace: &Workspace,
    requested: &[String],
    known: &[(&str, Vec<String>)],
) -> Result<Vec<Lesson>> {
    let names = || known.iter().flat_map(|(_, names)| names);
    let mut lessons: Vec<Lesson> = Vec::new();
    for name in requested {
        let pattern = name.replace('*', compare::WILDCARD);
        let mut matching = names()
            .filter(|known| compare::line_matches(&pattern, known))
            .peekable();
        if matching.peek().is_none() {
            let message = without_text(workspace, name).unwrap_or_else(|| unknown(name, known));
            return Err(Failure::usage(message).into());
        }
        for name in matching {
            if !lessons.iter().any(|lesson| lesson.name == *name) {
                lessons.push(load(workspace, name)?);
            }
        }
    }
    Ok(lessons)
}

/// Returns the names of all lessons, sorted.
fn lessons(workspace: &Workspace) -> Result<Vec<String>> {
    names_in(&workspace.lessons())
}

/// Returns the names of all races and of their corrected versions, sorted. A
/// workspace may have none.
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
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|&&byte| byte == b'\n').count();
        Failure::lesson(format!(
            "{}:{line}: this line is not UTF-8; save the file as UTF-8",
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

/// Returns the message about `name` if it is a folder of lessons or races without a README.
fn without_text(workspace: &Workspace, name: &str) -> Option<String> {
    modules::check_name(name, Path::new(name)).ok()?;
    let folders = [workspace.lessons(), workspace.races()].map(|folder| folder.join(name));
    let is_without = |folder: &&PathBuf| folder.is_dir() && !folder.join("README.md").is_file();
    let folder = folders.iter().find(is_without)?;
    let folder = folder.strip_prefix(workspace.root()).unwrap_or(folder);
    Some(format!(
        "{}/README.md does not exist; a lesson is tested by the console blocks of its text \
         (docs/writing-lessons.md)",
        folder.display()
    ))
}

/// Returns the message for a name that no lesson has.
fn unknown(name: &str, known: &[(&str, Vec<String>)]) -> String {
    let kind = known.first().map_or("lesson", |(kind, _)| *kind);
    if known.iter().all(|(_, names)| names.is_empty()) {
        return format!("there is no {kind} `{name}`, and modules/{kind}s is empty");
    }
    let mut message = if name.contains('*') {
        format!("no {kind} matches `{name}`")
    } else {
        format!("there is no {kind} `{name}`")
    };
    let names = known.iter().flat_map(|(_, names)| names);
    let nearest = names.map(|known| (strsim::levenshtein(name, known), known));
    if let Some((distance, known)) = nearest.min()
        && distance <= known.chars().count().div_ceil(3)
        && !name.contains('*')
    {
        message += &format!("; did you mean `{known}`?");
    }
    for (kind, names) in known.iter().filter(|(_, names)| !names.is_empty()) {
        message += &format!("\nthe {kind}s are: {}", names.join(", "));
    }
    message
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
    fn races_are_selected_only_by_name() -> Result<()> {
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
            "no C twin: modules/races/use_late/c/use_late.c does not exist"
        );
        assert_eq!(names(races), ["use_late", "wait_lost"]);

        std::fs::create_dir(workspace.lessons().join("textless"))?;
        let error = select(&workspace, &wanted("textless")).expect_err("an error");
        assert_eq!(
            error.to_string(),
            "modules/lessons/textless/README.md does not exist; a lesson is tested by the console \
             blocks of its text (docs/writing-lessons.md)"
        );

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
    fn lessons_are_selected_by_name() -> Result<()> {
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
    fn an_unknown_lesson_is_a_usage_error_with_a_suggestion() -> Result<()> {
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
            "no lesson matches `wait*x`\nthe lessons are: kthread_run, waitqueue"
        );
        Ok(())
    }

    #[test]
    fn text_that_is_not_utf8_is_an_error_with_its_line() -> Result<()> {
        let (folder, workspace) = clone()?;
        let readme = folder.path().join("modules/lessons/waitqueue/README.md");
        std::fs::write(readme, b"# x\n\n\xff\n")?;
        let error = all(&workspace).expect_err("an error");
        assert!(error.to_string().contains("waitqueue/README.md:3: "));
        Ok(())
    }
}
