//! Guests: how QEMU is told to run one, and what becomes of it.

pub mod accel;
mod batch;
mod cpus;
mod gdb;
mod guest_run;
mod lesson_device;
mod machine;
mod pulse;
mod qmp;
mod replayed;
mod running;
mod saved;
mod saving;
mod snapshots;
mod sockets;
pub mod terminal;
mod tsc;
mod typed;

pub use batch::{DidNotGoOn, run_batch};
pub use gdb::{Memory, Stop};
pub use guest_run::{GuestEnd, GuestRun};
pub use lesson_device::{LessonDevice, packed};
pub use machine::{Accel, Clock, Console, Events, Gdb, Machine, SECOND_SERIAL, Start};
pub use replayed::{Replayed, debug_again, run_again, visit_again};
pub use running::{Channel, socket_folder};
pub use saved::SavedGuest;
pub use snapshots::Snapshots;
pub use typed::{Exchange, Talk, TypedRun, run_typed};
