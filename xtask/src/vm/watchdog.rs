//! Detects a guest that makes no progress, by the guest's own clock.
//!
//! A guest has failed if its clock has passed a limit, or stands still while QEMU sleeps; a
//! long wait of the host never counts. A kernel detects stuck tasks and CPUs by its timers,
//! which need a CPU that takes interrupts: the watchdog also detects that no CPU does.

use std::time::Duration;

use super::guest_run::GuestEnd;
use super::qmp::Qmp;

/// The time between two looks at the guest's clock.
pub(super) const INTERVAL: Duration = Duration::from_millis(200);

/// Looks in a row without progress after which the guest is stuck: 2 seconds in which no
/// thread of QEMU ran at any look.
const STUCK_LOOKS: u32 = 10;

/// Looks in a row, and seconds of the guest's clock, in which all CPUs had interrupts disabled
/// and the kernel logged nothing, after which nothing in the guest can detect a fault.
const UNINTERRUPTIBLE_LOOKS: u32 = 10;
const UNINTERRUPTIBLE_SECONDS: u32 = 3;

/// The progress of a guest's clock.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    guest_seconds: u32,
    looks_without_progress: u32,
    /// Looks in a row with all interrupts disabled, and the clock at the first of them.
    uninterruptible: Option<(u32, u32)>,
}

impl Watchdog {
    /// Reads the guest's clock through `control`, if QEMU still answers there. `guard` is the
    /// number of the process that QEMU is a child of, and `limit` in seconds. Returns the
    /// reason to stop the guest, if there is one.
    pub fn check(&mut self, control: &mut Option<Qmp>, limit: u32, guard: u32) -> Option<GuestEnd> {
        let clock = control
            .as_mut()
            .and_then(|control| control.guest_seconds().ok());
        if clock.is_none() {
            // QEMU is about to end and must not be asked again, or its threads will show
            // that it is stuck.
            *control = None;
        }
        match clock {
            Some(now) if now > limit => {
                return Some(GuestEnd::OutOfTime {
                    guest_seconds: f64::from(now),
                });
            }
            Some(now) if now > self.guest_seconds => {
                self.guest_seconds = now;
                self.looks_without_progress = 0;
            }
            _ if runs(guard) => self.looks_without_progress = 0,
            _ => self.looks_without_progress += 1,
        }
        (self.looks_without_progress >= STUCK_LOOKS).then_some(GuestEnd::Stuck)
    }

    /// Reports whether all CPUs have had their interrupts disabled for long; call it after each
    /// [`check`](Self::check).
    pub fn is_uninterruptible(&mut self, control: &mut Option<Qmp>) -> bool {
        let disabled = control.as_mut().map(Qmp::all_interrupts_disabled);
        if !matches!(disabled, Some(Ok(true))) {
            self.uninterruptible = None;
            return false;
        }
        let (looks, since) = self.uninterruptible.get_or_insert((0, self.guest_seconds));
        *looks += 1;
        *looks >= UNINTERRUPTIBLE_LOOKS && self.guest_seconds - *since >= UNINTERRUPTIBLE_SECONDS
    }

    /// Notes that the kernel logged something.
    pub fn logged(&mut self) {
        self.uninterruptible = None;
    }

    /// Returns the guest's clock at the last look, in seconds.
    pub fn guest_seconds(&self) -> u32 {
        self.guest_seconds
    }
}

/// Reports whether a thread of a child of `guard` is on a CPU or waits for one, by
/// `/proc/PID/task/TID/stat` (proc(5)).
fn runs(guard: u32) -> bool {
    let children = std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children"));
    let Ok(children) = children else {
        // A host without CONFIG_PROC_CHILDREN cannot answer.
        return true;
    };
    children
        .split_whitespace()
        .filter_map(|child| std::fs::read_dir(format!("/proc/{child}/task")).ok())
        .flatten()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok())
        .any(|stat| {
            stat.rsplit_once(") ")
                .is_some_and(|(_, fields)| fields.starts_with(['R', 'D', 'T', 't']))
        })
}
