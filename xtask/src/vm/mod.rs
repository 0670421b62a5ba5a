//! Guests: how QEMU is told to run one, and what becomes of it.

pub mod accel;
mod batch;
mod guest_run;
mod lesson_device;
mod machine;
mod pulse;
mod qmp;
mod running;
mod saved;
mod sockets;
pub mod terminal;
mod tsc;
mod typed;

pub use batch::{DidNotGoOn, run_batch};
pub use guest_run::{GuestEnd, GuestRun};
pub use lesson_device::{LessonDevice, packed};
pub use machine::{Accel, Clock, Console, Machine, Start};
pub use saved::SavedGuest;
pub use typed::{Exchange, Talk, TypedRun, run_typed};
