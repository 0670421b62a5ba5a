//! Copies of the clone to run xtask on, the processes of these xtasks, and
//! comparisons of their output.

mod cache;
mod clone;
mod fake_qemu;
mod markers;
mod processes;
mod project;
mod report;
mod screen;
mod xtask;

pub use cache::cache_without_snapshots;
pub use clone::{MODULE, TWIN, TestClone, original, text};
pub use fake_qemu::fake_qemu;
pub use markers::{line_with, with_line_numbers};
pub use processes::{alive, kill, named, processes_below, wait_for};
pub use project::TestProject;
pub use report::{document, row_and_details};
pub use screen::assert_screen;
pub use xtask::{XtaskOutput, run, run_piped, words, xtask};
