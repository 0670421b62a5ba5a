//! The exercises of a course.

use anyhow::Result;

use super::course_file::CourseFile;
use crate::exercise::catalogue::Catalogue;
use crate::session::Session;

/// Returns the exercises that a course may have: those of its folder, else kmodlab's own.
///
/// # Errors
///
/// Fails with a usage error if a folder that the course names has none.
pub fn catalogue_of(course: &CourseFile, session: &Session) -> Result<Catalogue> {
    match Catalogue::of_folder(&course.folder()) {
        Ok(catalogue) => Ok(catalogue),
        Err(error) if course.names_folder() => Err(error),
        Err(_) => Catalogue::of_clone(&session.workspace),
    }
}
