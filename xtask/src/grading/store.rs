//! The folder of results, and the submissions of a whole course.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::formats::GradeAdapter;
use super::result::{GRADE_SCHEMA, GradeResult};
use crate::failure::Failure;
use crate::key::files_below;
use crate::recording::RecordingFolder;
use crate::report::json;
use crate::whole_file;

/// Name of the file with a result.
pub const RESULT: &str = "result.json";

/// Name of the folder with recordings of the parts that failed.
const RECORDINGS: &str = "recordings";

/// Returns the students with a submission, sorted: the names of the folders in `folder`, with their
/// paths.
///
/// # Errors
///
/// Fails if the folder cannot be listed, or a name is not one for a student.
pub fn submissions(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let cannot = || Failure::usage(format!("cannot list {}", folder.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let name = entry.file_name();
        // A symbolic link may lead anywhere.
        let is_folder = entry.file_type().with_context(cannot)?.is_dir();
        if is_folder && !name.as_encoded_bytes().starts_with(b".") {
            let name = name.to_str().map(str::to_owned);
            let name = name.with_context(|| {
                Failure::usage(format!("{} is not UTF-8", entry.path().display()))
            })?;
            check_student(&name)?;
            found.push((name, entry.path()));
        }
    }
    found.sort();
    ensure!(
        !found.is_empty(),
        Failure::usage(format!(
            "{} has no submissions; each is a folder with the student's name",
            folder.display()
        ))
    );
    Ok(found)
}

/// Checks that a student's name can be the name of a folder.
///
/// # Errors
///
/// Fails with a usage error.
pub fn check_student(student: &str) -> Result<()> {
    let is_path = student.contains(['/', '\0']) || ["", ".", ".."].contains(&student);
    let has_controls = student.chars().any(char::is_control);
    ensure!(
        !is_path && !has_controls && student.len() <= 200,
        Failure::usage(format!(
            "`{}` is not a name for a student: it becomes the name of a folder",
            student.escape_debug()
        ))
    );
    Ok(())
}

/// Returns the result in a folder, if it is whole and of the current form.
pub fn finished(folder: &Path) -> Option<GradeResult> {
    let text = std::fs::read_to_string(folder.join(RESULT)).ok()?;
    let result: GradeResult = serde_json::from_str(&text).ok()?;
    (result.schema == GRADE_SCHEMA).then_some(result)
}

/// Writes a result into a folder, and then the files in other formats: whatever happens to one of them,
/// the result is not lost. Each file is whole, or stays as it was: a result that is there is finished.
///
/// # Errors
///
/// Fails if a file cannot be written.
pub fn write(folder: &Path, result: &GradeResult, adapters: &[GradeAdapter]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    whole_file::write(&folder.join(RESULT), json::pretty(result)?)?;
    for adapter in adapters {
        whole_file::write(&folder.join(adapter.file()), adapter.text(result)?)?;
    }
    Ok(())
}

/// Returns the folder for the recordings of a submission, without those of an earlier result. The first
/// recording makes it.
///
/// # Errors
///
/// Fails if an earlier one cannot be removed.
pub fn new_recordings(folder: &Path) -> Result<RecordingFolder> {
    let recordings = folder.join(RECORDINGS);
    match std::fs::remove_dir_all(&recordings) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", recordings.display()))
        }
        _ => Ok(RecordingFolder::made_when_needed(recordings)),
    }
}

/// Returns whose mark a result is, and for what.
fn mark_of(result: &GradeResult) -> (&str, &str) {
    (&result.student, &result.exercise)
}

/// Returns all results below a folder, sorted by student and exercise.
///
/// # Errors
///
/// Fails with a usage error if there are none or several for one mark, and if a folder cannot be listed or a
/// result is malformed.
pub fn results(folder: &Path) -> Result<Vec<GradeResult>> {
    let cannot = || Failure::usage(format!("cannot list {}", folder.display()));
    let mut files = files_below(folder).with_context(cannot)?;
    files.retain(|file| file.ends_with(RESULT));
    let read = |file: &PathBuf| {
        finished(file.parent().unwrap_or(folder)).with_context(|| {
            let file = file.display();
            Failure::usage(format!("{file} is not a result of this version"))
        })
    };
    let mut results = files.iter().map(read).collect::<Result<Vec<_>>>()?;
    ensure!(
        !results.is_empty(),
        Failure::usage(format!("{} has no results", folder.display()))
    );
    results.sort_by(|a, b| mark_of(a).cmp(&mark_of(b)));
    if let Some([twice, _]) = results
        .windows(2)
        .find(|pair| mark_of(&pair[0]) == mark_of(&pair[1]))
    {
        let message = format!(
            "{} has several results of {} for {}; remove those that do not count",
            folder.display(),
            twice.student,
            twice.exercise
        );
        return Err(Failure::usage(message).into());
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grading::formats::tests::graded;

    #[test]
    fn only_folders_are_submissions() -> Result<()> {
        let folder = tempfile::tempdir()?;
        assert!(submissions(folder.path()).is_err());
        for name in ["b", "a", ".hidden"] {
            std::fs::create_dir(folder.path().join(name))?;
        }
        std::fs::write(folder.path().join("c"), "")?;
        std::os::unix::fs::symlink("/etc", folder.path().join("d"))?;
        let found = submissions(folder.path())?;
        let names: Vec<&str> = found.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["a", "b"]);
        Ok(())
    }

    #[test]
    fn a_student_is_not_a_path() {
        for wrong in ["", "..", "a/b", "/etc", "a\nb"] {
            assert!(check_student(wrong).is_err(), "{wrong}");
        }
        assert!(check_student("ä.müller@example.org").is_ok());
    }

    #[test]
    fn a_failing_adapter_does_not_lose_the_result() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let result = graded();
        // A folder has the name of the adapter's file.
        std::fs::create_dir(folder.path().join("result.csv"))?;
        let adapters = [GradeAdapter::Csv, GradeAdapter::Junit];
        assert!(write(folder.path(), &result, &adapters).is_err());
        assert_eq!(finished(folder.path()), Some(result));
        Ok(())
    }

    #[test]
    fn a_partial_result_is_not_finished() -> Result<()> {
        let folder = tempfile::tempdir()?;
        assert!(finished(folder.path()).is_none());
        std::fs::write(folder.path().join(RESULT), "{\"schema\": 1,")?;
        assert!(finished(folder.path()).is_none());
        assert!(results(folder.path()).is_err());
        Ok(())
    }
}
