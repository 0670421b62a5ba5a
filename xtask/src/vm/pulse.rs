//! Whether a guest is alive, by its own clock: it is dead if that has passed a
//! limit, or stands still while QEMU sleeps, never for a long wait on the wall. And
//! whether anybody in it can still notice that something is wrong: a kernel finds a
//! task or a CPU that is stuck by its timers, and these need a CPU that listens.

use std::time::Duration;

use super::guest_run::GuestEnd;
use super::qmp::Qmp;

/// How often the guest's clock is read.
pub const SAMPLE: Duration = Duration::from_millis(200);

/// So many samples in a row without progress mean that the guest is stuck:
/// 2 seconds in which no thread of QEMU ran when it was looked at.
const STUCK_SAMPLES: u32 = 10;

/// A guest whose CPUs all have their interrupts off whenever it is looked at, so
/// often and for so many seconds of its own time, and which logs nothing meanwhile,
/// is deaf: nobody is left in it who could notice.
const DEAF_SAMPLES: u32 = 10;
const DEAF_SECONDS: u32 = 3;

/// What was seen of a guest's clock.
#[derive(Debug, Default)]
pub struct Pulse {
    guest_seconds: u32,
    still: u32,
    /// How often it was deaf in a row, and what its clock said at the first time.
    deaf: Option<(u32, u32)>,
}

impl Pulse {
    /// Looks at the guest's clock through `control`, if QEMU still answers
    /// there. `guard` is the number of the process that QEMU is a child of.
    /// Returns how the guest has to be ended, if it has to be.
    pub fn beat(&mut self, control: &mut Option<Qmp>, limit: u32, guard: u32) -> Option<GuestEnd> {
        let clock = control
            .as_mut()
            .and_then(|control| control.guest_seconds().ok());
        if clock.is_none() {
            // A QEMU that does not answer once is not asked again: it is
            // ending, or its threads will tell.
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
                self.still = 0;
            }
            _ if runs(guard) => self.still = 0,
            _ => self.still += 1,
        }
        (self.still >= STUCK_SAMPLES).then_some(GuestEnd::Stuck)
    }

    /// Looks through `control` whether the guest is deaf; call it after each
    /// [`beat`](Self::beat).
    pub fn is_deaf(&mut self, control: &mut Option<Qmp>) -> bool {
        let deaf = control.as_mut().map(Qmp::is_deaf);
        if !matches!(deaf, Some(Ok(true))) {
            self.deaf = None;
            return false;
        }
        let (samples, since) = self.deaf.get_or_insert((0, self.guest_seconds));
        *samples += 1;
        *samples >= DEAF_SAMPLES && self.guest_seconds - *since >= DEAF_SECONDS
    }

    /// The guest has said something.
    pub fn heard(&mut self) {
        self.deaf = None;
    }

    /// What the guest's clock said when it was last read, in seconds.
    pub fn guest_seconds(&self) -> u32 {
        self.guest_seconds
    }
}

/// True if a thread of a child of `guard` is on a CPU or waits for one, by
/// `/proc/PID/task/TID/stat` (proc(5)).
fn runs(guard: u32) -> bool {
    let children = std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children"));
    let Ok(children) = children else {
        // Without CONFIG_PROC_CHILDREN in the host this cannot be told.
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
