//! Clones to try things on, the xtasks that run there, and their processes.

mod clone;
mod processes;
mod report;
mod stand_in;
mod xtask;

pub use clone::{Clone, MODULE, TWIN, original, text};
pub use processes::{alive, kill, named, processes_below, wait_for};
pub use report::document;
pub use stand_in::qemu_stand_in;
pub use xtask::{Ended, run, words, xtask};
