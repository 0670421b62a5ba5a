//! Guests: QEMU's command line, the event loop that watches a guest, snapshots and replays.

pub mod accel;
mod answer_patience;
mod busy_detector;
mod channels;
mod cpus;
pub mod debugged;
mod endless_loop;
mod firmware;
mod gdb;
mod guest_run;
mod hardware;
mod host_cpu;
mod machine;
mod module_calls;
pub mod output_meter;
mod panic_detector;
mod qmp;
mod real_time;
pub mod replay;
pub mod reverse_disk;
mod run;
mod running;
mod snapshot;
mod snapshot_taking;
mod sparse_copy;
pub mod terminal;
#[cfg(test)]
mod test_values;
mod tsc;
mod watchdog;

pub use crate::temporary::guest_folder;
pub use channels::{Channel, Channels, Endpoints};
pub use firmware::PackedAssignment;
pub use gdb::{DebuggerStop, Memory};
pub use guest_run::{GuestEnd, GuestRun, Interruption};
pub use hardware::Hardware;
pub use machine::{Accel, Boot, Debugger, Machine, VirtualClock};
pub use real_time::TypedCommands;
pub use replay::ReplayedRun;
pub use run::{CommandKind, NotResumed, RunInputs, run};
pub use running::explain_full_disk;
pub use snapshot::{Snapshot, SnapshotGuest};
