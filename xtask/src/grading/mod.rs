//! Grading: marks for submissions to exercises, and files for the systems that collect marks.
//!
//! ```text
//! course.toml  -> CourseFile -> settings of an exercise, key -> variant, seeds
//! a folder     -> Submission (or a refusal) -> answer -> parts in guests -> GradeResult
//! ```
//!
//! A grade depends on the contents of a submission and of the course, on nothing else: the same
//! submission has the same `result.json`, to the byte, on any host.

pub mod allowed_imports;
pub mod course_file;
pub mod course_key;
pub mod course_mark;
pub mod exercises;
pub mod formats;
pub mod grader;
pub mod hand_out;
mod messages;
mod pinned_kernel;
pub mod result;
pub mod rules;
pub mod sandbox;
pub mod store;
pub mod submission;
pub mod variants;
pub mod words;
