//! `course.toml` of a teacher: the exercises of a course, and the rules by which they are graded.
//!
//! The same file gives the order of the exercises to [`crate::exercise::course`], which reads the
//! ids alone.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use toml::value::{Datetime, Offset};

use super::course_key::CourseKey;
use super::pinned_kernel::PinnedKernel;
use super::rules::{PerLanguage, SubmissionRules};
use super::submission::SubmissionLimits;
use crate::failure::Failure;
use crate::kernel::source::SourceRequest;
use crate::key::Key;
use crate::workspace::Workspace;

/// Most points of an exercise in a course.
const MOST_POINTS: u32 = 1_000_000;

/// A course as a teacher writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CourseFile {
    /// The title.
    pub title: String,
    /// The folder with the exercises, relative to the file; without one, the file's own folder.
    folder: Option<PathBuf>,
    /// The file with the key, relative to the file: variants and secret seeds follow from it.
    key: Option<PathBuf>,
    /// The first seed of schedules; without one, it follows from the key.
    seed: Option<u32>,
    /// The kernel.
    #[serde(default)]
    pub kernel: PinnedKernel,
    /// The limits of a submission.
    #[serde(default)]
    pub limits: SubmissionLimits,
    /// Words that submissions may not have, in place of kmodlab's own list.
    #[serde(default)]
    forbids: PerLanguage,
    /// Symbols of the kernel that modules may use besides kmodlab's own list.
    #[serde(default)]
    allows: PerLanguage,
    /// The rules for submissions: both of these tables.
    #[serde(skip)]
    pub rules: SubmissionRules,
    /// The exercises.
    #[serde(rename = "exercise")]
    pub exercises: Vec<CourseEntry>,
    /// The folder of the file.
    #[serde(skip)]
    home: PathBuf,
    /// The file, for messages.
    #[serde(skip)]
    file: PathBuf,
}

/// An exercise of a course.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CourseEntry {
    /// The id, `LESSON/SLUG`.
    pub id: String,
    /// The points that it counts in the course, to which those of its parts are scaled; without them, the
    /// sum of its parts.
    pub points: Option<u32>,
    /// The time from which submissions count, as `2026-12-01T08:00:00Z`.
    pub opens: Option<String>,
    /// The time until which submissions count.
    pub due: Option<String>,
    /// When students see the results of parts that are not hidden.
    #[serde(default)]
    pub visibility: Visibility,
    /// When students see the results of hidden parts.
    #[serde(default = "hidden")]
    pub hidden_parts: Visibility,
}

fn hidden() -> Visibility {
    Visibility::Hidden
}

/// The time at which a student sees a result. The names are Gradescope's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// At once.
    #[default]
    Visible,
    /// When the time for submissions is over.
    AfterDueDate,
    /// When the teacher publishes the marks.
    AfterPublished,
    /// Never.
    Hidden,
}

impl CourseFile {
    /// Reads a course.
    ///
    /// # Errors
    ///
    /// Fails with a usage error that names the file, and the line or the entry.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| Failure::usage(format!("cannot read {}", path.display())))?;
        let home = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let course = Self::parse(&text, home)
            .map_err(|problem| Failure::usage(format!("{}: {problem}", path.display())))?;
        Ok(Self {
            file: path.to_owned(),
            ..course
        })
    }

    /// Reads the text of a course in the folder `home`.
    fn parse(text: &str, home: &Path) -> Result<Self, String> {
        let mut course: Self =
            toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        course.home = home.to_owned();
        course.rules = SubmissionRules {
            forbids: std::mem::take(&mut course.forbids),
            allows: std::mem::take(&mut course.allows),
        };
        course.check()?;
        Ok(course)
    }

    fn check(&self) -> Result<(), String> {
        if self.exercises.is_empty() {
            return Err("a course has at least one [[exercise]]".to_owned());
        }
        for (index, entry) in self.exercises.iter().enumerate() {
            if self.exercises[..index].iter().any(|one| one.id == entry.id) {
                return Err(format!("the exercise {} is listed twice", entry.id));
            }
            if let Some(points) = entry.points
                && !(1..=MOST_POINTS).contains(&points)
            {
                return Err(format!(
                    "{}: `points` is from 1 to {MOST_POINTS}; leave it out for the sum of the parts",
                    entry.id
                ));
            }
            for (name, time) in [("opens", &entry.opens), ("due", &entry.due)] {
                if let Some(time) = time
                    && !is_time(time)
                {
                    return Err(format!(
                        "{}: `{name} = \"{time}\"` is not a time in UTC such as \
                         2026-12-01T08:00:00Z",
                        entry.id
                    ));
                }
            }
            if let (Some(opens), Some(due)) = (&entry.opens, &entry.due)
                && opens > due
            {
                return Err(format!("{}: it is due before it opens", entry.id));
            }
        }
        if let Some(image) = &self.kernel.image
            && Key::of(image).is_none()
        {
            return Err("`image` of [kernel] has 64 lower-case hexadecimal digits".to_owned());
        }
        if self.limits.files == 0 {
            return Err("`files` of [limits] is at least 1".to_owned());
        }
        if self.seed == Some(0) {
            return Err("`seed` is at least 1".to_owned());
        }
        Ok(())
    }

    /// Returns the entry of the exercise with this id.
    ///
    /// # Errors
    ///
    /// Fails with a usage error that lists the ids if there is none.
    pub fn entry(&self, id: &str) -> Result<&CourseEntry> {
        let entry = self.exercises.iter().find(|entry| entry.id == id);
        entry.with_context(|| {
            let ids: Vec<&str> = self.exercises.iter().map(|entry| &*entry.id).collect();
            Failure::usage(format!(
                "the course has no exercise {id}; it has {}",
                ids.join(", ")
            ))
        })
    }

    /// Returns the folder with the exercises.
    pub fn folder(&self) -> PathBuf {
        match &self.folder {
            Some(folder) => self.home.join(folder),
            None => self.home.clone(),
        }
    }

    /// Returns the path of the file, as the teacher wrote it.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Checks that kernels.toml has the kernel that the course names, and that the options do not ask for
    /// another one than the course pins.
    ///
    /// # Errors
    ///
    /// Fails with a usage error that names the file or the option.
    pub fn check_kernel(&self, request: &SourceRequest, workspace: &Workspace) -> Result<()> {
        self.kernel.check_request(&self.file, request, workspace)
    }

    /// Reports whether the course names the folder of its exercises.
    pub fn names_folder(&self) -> bool {
        self.folder.is_some()
    }

    /// Reads the course's key, if it has one.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if the key's file cannot be read, or is too short for a key.
    pub fn read_key(&self) -> Result<Option<CourseKey>> {
        let key = self.key_file().map(|file| CourseKey::read(&file));
        key.transpose()
    }

    /// Returns the files and folders that a grader reads: that of the course, the exercises and the
    /// key.
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut paths = vec![self.home.clone(), self.folder()];
        paths.extend(self.key_file());
        paths
    }

    fn key_file(&self) -> Option<PathBuf> {
        self.key.as_ref().map(|key| self.home.join(key))
    }

    /// Returns the first seed of schedules that the course sets.
    pub fn seed(&self) -> Option<u32> {
        self.seed
    }
}

/// Reports whether a text is a time as `2026-12-01T08:00:00Z`, which sorts by time.
pub fn is_time(text: &str) -> bool {
    const FORM: &str = "2026-12-01T08:00:00Z";
    let is_written_so = |time: Datetime| time.offset == Some(Offset::Z) && time.to_string() == text;
    text.len() == FORM.len() && text.parse().is_ok_and(is_written_so)
}

#[cfg(test)]
mod tests {
    use bytesize::ByteSize;

    use super::*;
    use crate::failure::{Fault, fault_of};
    use crate::modules::Language;

    const COURSE: &str = "title = \"Threads\"\nkey = \"course.key\"\n\
        [[exercise]]\nid = \"a/1-b\"\n";

    fn parse(text: &str) -> Result<CourseFile, String> {
        CourseFile::parse(text, Path::new("course"))
    }

    #[test]
    fn a_short_course_has_the_rules_of_kmodlab() {
        let course = parse(COURSE).expect("a course");
        assert_eq!(course.key_file(), Some("course/course.key".into()));
        assert_eq!(course.folder(), Path::new("course"));
        assert_eq!(
            course.paths(),
            ["course", "course", "course/course.key"].map(Path::new)
        );
        assert_eq!(course.limits, SubmissionLimits::default());
        assert!(
            course
                .rules
                .forbidden(Language::Rust)
                .contains(&"unsafe".into())
        );
        assert_eq!(course.exercises[0].hidden_parts, Visibility::Hidden);
        assert_eq!(course.kernel, PinnedKernel::default());
    }

    #[test]
    fn a_course_sets_its_own_rules() {
        let text = format!(
            "seed = 7\nfolder = \"../tasks\"\n{COURSE}points = 20\ndue = \"2026-12-01T08:00:00Z\"\n\
             hidden_parts = \"after_due_date\"\n[forbids]\nrust = []\n[allows]\nc = [\"kill_pid\"]\n\
             [limits]\nsize = \"1 MiB\"\nfiles = 2\nignore = []\n\
             [kernel]\nname = \"6.12\"\nversion = \"6.12.117\"\n"
        );
        let course = parse(&text).expect("a course");
        assert_eq!(course.folder(), Path::new("course/../tasks"));
        assert!(course.rules.forbidden(Language::Rust).is_empty());
        assert!(!course.rules.forbidden(Language::C).is_empty());
        assert_eq!(course.rules.allowed(Language::C), ["kill_pid"]);
        assert_eq!(course.limits.size, ByteSize::mib(1));
        let request = SourceRequest::default();
        assert!(course.kernel.check(&request, "6.12.117", "x").is_ok());
        let fault = |request: &SourceRequest| {
            let error = course.kernel.check(request, "6.12.118", "x").err();
            error.map(|error| fault_of(&error))
        };
        assert_eq!(fault(&request), Some(Fault::Host));
        let request = SourceRequest {
            source: Some("tree".into()),
            ..request
        };
        assert_eq!(fault(&request), Some(Fault::Usage));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("", "title"),
            ("title = \"x\"\nexercise = []\n", "at least one"),
            ("title = \"x\"\nexrcise = 1\n", "exrcise"),
            (&format!("{COURSE}[[exercise]]\nid = \"a/1-b\"\n"), "twice"),
            (&format!("{COURSE}due = \"tomorrow\"\n"), "a/1-b: `due"),
            (&format!("{COURSE}due = \"2026-13-01T08:00:00Z\"\n"), "due"),
            (&format!("{COURSE}due = \"2026-02-29T08:00:00Z\"\n"), "due"),
            (&format!("{COURSE}due = \"2026-12-01T08:00:00z\"\n"), "due"),
            (&format!("{COURSE}due = \"2026-12-01t08:00:00Z\"\n"), "due"),
            (&format!("{COURSE}due = \"2026-12-01T08:00:0Z\"\n"), "due"),
            (&format!("{COURSE}due = \"2026-12-01T08:00:00\"\n"), "due"),
            (
                &format!(
                    "{COURSE}opens = \"2027-01-01T08:00:00Z\"\ndue = \"2026-01-01T08:00:00Z\""
                ),
                "before it opens",
            ),
            (&format!("{COURSE}[kernel]\nimage = \"12\"\n"), "64"),
            (&format!("{COURSE}[limits]\nfiles = 0\n"), "files"),
            (&format!("{COURSE}[limits]\nsize = \"big\"\n"), "size"),
            (&format!("seed = 0\n{COURSE}"), "seed"),
            (
                &format!("{COURSE}points = 0\n"),
                "a/1-b: `points` is from 1",
            ),
            (&format!("{COURSE}points = 1000001\n"), "from 1 to 1000000"),
            (&format!("{COURSE}points = -1\n"), "points"),
            (&format!("{COURSE}visibility = \"never\"\n"), "visible"),
        ] {
            let error = parse(text).err().unwrap_or_default();
            assert!(error.contains(part), "{text}\n{error}");
        }
    }

    #[test]
    fn an_unknown_exercise_is_a_usage_error() {
        let course = parse(COURSE).expect("a course");
        let error = course.entry("a/2-c").expect_err("no such exercise");
        assert!(error.to_string().ends_with("it has a/1-b"));
        assert_eq!(fault_of(&error), Fault::Usage);
    }
}
