//! Guests: how QEMU is told to run one, and what becomes of it.

pub mod accel;
mod batch;
mod guest_run;
mod machine;
mod qmp;
pub mod terminal;
mod tsc;
mod typed;

pub use batch::run_batch;
pub use guest_run::{GuestEnd, GuestRun};
pub use machine::{Accel, Clock, Console, Machine};
pub use typed::{Exchange, Talk, TypedRun, run_typed};
