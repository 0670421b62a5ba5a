//! Detects a module whose code keeps a CPU busy and does not return.
//!
//! The kernel has detectors for a CPU that no other task gets. They count seconds of the guest's
//! time, and a CPU that waits in a loop of the instruction PAUSE (`cpu_relax`, `spin_loop`) costs
//! QEMU eight seconds for each of them, because QEMU turns to the guest's other CPU at each
//! PAUSE. A loop that gives other tasks a chance is found by no detector of the kernel.

use std::time::Duration;

use super::module_calls::ModuleCall;

/// CPU time of QEMU, since the guest's last sign of progress, from which on a call of module
/// code counts.
const SILENCE: Duration = Duration::from_secs(3);

/// CPU time of QEMU during which the same call was executed at each look.
const BUSY: Duration = Duration::from_millis(800);

/// The same for a kernel thread that no command waits for, unless its loop has no end: a thread may
/// compute for long.
const BUSY_THREAD: Duration = Duration::from_secs(20);

/// Minimum number of those looks.
const LOOKS: u32 = 4;

/// Looks in a row at which a call may be off all CPUs: a task that gives others a chance is.
const GAPS: u32 = 1;

/// The calls of module code that were on a CPU at each of the last looks.
#[derive(Debug, Default)]
pub(super) struct BusyDetector {
    /// QEMU's CPU time when the guest last made progress.
    progress: Duration,
    calls: Vec<BusyCall>,
}

#[derive(Debug)]
struct BusyCall {
    call: ModuleCall,
    since: Duration,
    looks: u32,
    gaps: u32,
}

impl BusyDetector {
    /// Notes that the guest made progress: it wrote something.
    pub fn progressed(&mut self, cpu_time: Duration) {
        self.progress = cpu_time;
        self.calls.clear();
    }

    /// Reports whether the guest has been silent for so long that [`Self::is_busy`] is to be
    /// called. `cpu_time` is QEMU's.
    pub fn wants_calls(&self, cpu_time: Duration) -> bool {
        cpu_time.saturating_sub(self.progress) >= SILENCE
    }

    /// Reports whether one of these calls, which the CPUs execute now, has kept a CPU busy for
    /// too long. `waits` says whether a command waits for the module's threads.
    pub fn is_busy(&mut self, calls: &[ModuleCall], cpu_time: Duration, waits: bool) -> bool {
        self.calls.retain_mut(|known| {
            match calls.iter().find(|call| call.is_same(&known.call)) {
                Some(call) => {
                    known.call.is_endless |= call.is_endless;
                    (known.looks, known.gaps) = (known.looks + 1, 0);
                }
                None => known.gaps += 1,
            }
            known.gaps <= GAPS
        });
        for call in calls {
            if !self.calls.iter().any(|known| known.call.is_same(call)) {
                self.calls.push(BusyCall {
                    call: *call,
                    since: cpu_time,
                    looks: 1,
                    gaps: 0,
                });
            }
        }
        self.calls.iter().any(|known| {
            let limit = match waits || !known.call.in_thread || known.call.is_endless {
                true => BUSY,
                false => BUSY_THREAD,
            };
            known.looks >= LOOKS && cpu_time.saturating_sub(known.since) >= limit
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INIT: ModuleCall = ModuleCall {
        frame: 0xffff_c900_001b_7e20,
        in_thread: false,
        is_endless: false,
    };

    const THREAD: ModuleCall = ModuleCall {
        frame: 0xffff_c900_001c_7f00,
        in_thread: true,
        is_endless: false,
    };

    /// Looks every 200 ms of CPU time; returns the number of looks after which the detector
    /// reports.
    fn reports<'a>(
        looks: impl IntoIterator<Item = &'a [ModuleCall]>,
        waits: bool,
    ) -> Option<usize> {
        let mut detector = BusyDetector::default();
        let mut cpu_time = SILENCE;
        let position = looks.into_iter().position(|calls| {
            assert!(detector.wants_calls(cpu_time));
            let busy = detector.is_busy(calls, cpu_time, waits);
            cpu_time += Duration::from_millis(200);
            busy
        });
        position.map(|index| index + 1)
    }

    #[test]
    fn a_call_that_does_not_return_is_reported() {
        assert_eq!(reports([&[INIT][..]; 10], false), Some(5));
        assert_eq!(reports([&[THREAD, INIT][..]; 10], false), Some(5));
        assert_eq!(reports([&[INIT][..]; 4], false), None);
    }

    #[test]
    fn a_call_may_be_off_the_cpu_at_one_look() {
        assert_eq!(
            reports([&[INIT][..], &[], &[INIT], &[INIT], &[INIT]], false),
            Some(5)
        );
        let away: [&[ModuleCall]; 6] = [&[INIT], &[], &[], &[INIT], &[INIT], &[INIT]];
        assert_eq!(reports(away, false), None);
        let another = ModuleCall { frame: 1, ..INIT };
        let others: [&[ModuleCall]; 6] =
            [&[INIT], &[INIT], &[another], &[another], &[INIT], &[INIT]];
        assert_eq!(reports(others, false), None);
    }

    #[test]
    fn a_thread_may_compute_longer_unless_a_command_waits_for_it() {
        assert_eq!(reports([&[THREAD][..]; 10], true), Some(5));
        assert_eq!(reports([&[THREAD][..]; 100], false), None);
        assert_eq!(reports([&[THREAD][..]; 110], false), Some(101));
        // Seen at one look, it is known.
        let endless = ModuleCall {
            is_endless: true,
            ..THREAD
        };
        let looks = [&[THREAD][..], &[endless], &[THREAD], &[THREAD], &[THREAD]];
        assert_eq!(reports(looks, false), Some(5));
    }

    #[test]
    fn progress_begins_the_count_again() {
        let mut detector = BusyDetector::default();
        let at = Duration::from_millis;
        for look in 0..4 {
            assert!(!detector.is_busy(&[INIT], at(3000 + 200 * look), false));
        }
        detector.progressed(at(3700));
        assert!(!detector.wants_calls(at(6600)));
        assert!(detector.wants_calls(at(6700)));
        assert!(!detector.is_busy(&[INIT], at(6700), false));
    }
}
