//! Guests: how QEMU is told to run one, and what becomes of it.

pub mod accel;
mod batch;
mod machine;
mod qmp;
pub mod terminal;
mod tsc;

pub use accel::Accel;
pub use batch::run_batch;
pub use machine::{Clock, Console, Machine};
