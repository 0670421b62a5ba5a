//! Guests: how QEMU is told to run one, and what becomes of it.

pub mod accel;
mod batch;
mod guest_run;
mod machine;
mod qmp;
pub mod terminal;
mod tsc;

pub use batch::run_batch;
pub use guest_run::{GuestEnd, GuestRun};
pub use machine::{Accel, Clock, Console, Machine};
