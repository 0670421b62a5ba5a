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
    uninterruptible: Option<Uninterruptible>,
}

/// Looks in a row with all interrupts disabled.
#[derive(Debug, PartialEq, Eq)]
struct Uninterruptible {
    looks: u32,
    /// The clock at the first of them, in seconds.
    since: u32,
    /// The kernel's count of ticks at the first of them.
    ticks: Option<u64>,
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
    /// [`check`](Self::check). `ticks` is the address of the kernel's count of ticks: a kernel that
    /// counts on takes interrupts between the looks. A loop of `yield()` has them disabled at
    /// nearly every look.
    pub fn is_uninterruptible(&mut self, control: &mut Qmp, ticks: Option<u64>) -> bool {
        if !matches!(control.all_interrupts_disabled(), Ok(true)) {
            self.uninterruptible = None;
            return false;
        }
        let ticks = ticks.and_then(|address| control.memory(0, address));
        let ticks = ticks.map(|[ticks, _]| ticks);
        let now = Uninterruptible {
            looks: 0,
            since: self.guest_seconds,
            ticks,
        };
        let state = match &mut self.uninterruptible {
            Some(state) if state.ticks == ticks => state,
            state => state.insert(now),
        };
        state.looks += 1;
        state.looks >= UNINTERRUPTIBLE_LOOKS
            && self.guest_seconds - state.since >= UNINTERRUPTIBLE_SECONDS
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

/// Decides whether QEMU may be asked about its guest.
///
/// A question wakes QEMU's main loop, which may then handle a timer of the guest in place of the
/// CPU's thread, and so end a CPU's turn early: of 120 runs on a busy host that were asked, two
/// differed. So a guest in virtual time is left alone until QEMU has used as much CPU time as
/// hardly any lesson needs, however long the host takes for that, or until QEMU does nothing.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    idle_looks: u32,
}

/// CPU time of QEMU after which it may be asked.
const CPU_TIME: Duration = Duration::from_secs(3);

/// Looks in a row in which QEMU did nothing, after which it may be asked.
const IDLE_LOOKS: u32 = 3;

impl Reserve {
    /// Reports whether the QEMU below `guard`, which has used this CPU time, may be asked; call
    /// it at each look.
    pub fn is_over(&mut self, guard: u32, cpu_time: Option<Duration>) -> bool {
        match runs(guard) {
            true => self.idle_looks = 0,
            false => self.idle_looks += 1,
        }
        self.idle_looks >= IDLE_LOOKS || cpu_time.is_none_or(|time| time >= CPU_TIME)
    }
}

/// Returns the CPU time that the children of `guard` have used; `None` if the host does not
/// report it.
pub(super) fn cpu_time(guard: u32) -> Option<Duration> {
    let children = children(guard)?;
    let ticks = children.split_whitespace().map(|child| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
        // Fields 14 and 15 of proc_pid_stat(5); field 3 is the first behind the name.
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split(' ').skip(11);
        let (user, system): (u64, u64) =
            (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(user + system)
    });
    let ticks = ticks.sum::<Option<u64>>()?;
    Some(Duration::from_millis(
        ticks * 1000 / rustix::param::clock_ticks_per_second(),
    ))
}

/// Returns the numbers of the children of a process; `None` if the host does not report them.
pub(super) fn children(process: u32) -> Option<String> {
    // A host without CONFIG_PROC_CHILDREN has no such file.
    std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()
}

/// Reports whether a thread of a child of `guard` is on a CPU or waits for one, by
/// `/proc/PID/task/TID/stat` (proc(5)).
pub(super) fn runs(guard: u32) -> bool {
    let Some(children) = children(guard) else {
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

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use super::*;

    /// Returns the number of looks after which a guest whose CPUs have their interrupts disabled at
    /// each look, and whose count of ticks grows by `step` between two, counts as uninterruptible.
    fn uninterruptible(step: u64) -> anyhow::Result<Option<u32>> {
        let (stream, mut qemu) = UnixStream::pair()?;
        let answers = std::thread::spawn(move || -> std::io::Result<()> {
            writeln!(qemu, "{{\"QMP\": {{}}}}")?;
            let mut ticks = 0;
            for request in BufReader::new(qemu.try_clone()?).lines() {
                let answer = match request? {
                    request if request.contains("info registers") => {
                        "CPU#0\\r\\nRFL=00000046 HLT=0".to_owned()
                    }
                    request if request.contains("x /2gx") => {
                        ticks += step;
                        format!("ffffffff82000000: {ticks:#018x} 0x0000000000000000")
                    }
                    _ => String::new(),
                };
                writeln!(qemu, "{{\"return\": \"{answer}\"}}")?;
            }
            Ok(())
        });
        let mut control = Qmp::new(stream, std::process::id())?;
        let mut watchdog = Watchdog::default();
        let looks = (1..=3 * UNINTERRUPTIBLE_LOOKS).find(|look| {
            watchdog.guest_seconds = *look;
            watchdog.is_uninterruptible(&mut control, Some(0xffff_ffff_8200_0000))
        });
        drop(control);
        answers.join().expect("it ends")?;
        Ok(looks)
    }

    #[test]
    fn a_kernel_that_counts_ticks_takes_interrupts() -> anyhow::Result<()> {
        assert_eq!(uninterruptible(0)?, Some(UNINTERRUPTIBLE_LOOKS));
        assert_eq!(uninterruptible(1)?, None);
        Ok(())
    }

    #[test]
    fn qemu_is_left_alone_until_it_idles() -> anyhow::Result<()> {
        // A shell in place of the guard, with a child that is busy and one that sleeps.
        let start = |script: &str| {
            Command::new("sh")
                .args(["-c", &format!("({script}) & wait")])
                .spawn()
        };
        let mut busy = start("while :; do :; done")?;
        let mut idle = start("sleep 1000")?;
        let mut reserves = [Reserve::default(), Reserve::default()];
        let mut over = [false, false];
        for _ in 0..IDLE_LOOKS + 2 {
            std::thread::sleep(Duration::from_millis(20));
            over = [
                reserves[0].is_over(busy.id(), cpu_time(busy.id())),
                reserves[1].is_over(idle.id(), cpu_time(idle.id())),
            ];
        }
        let used = cpu_time(busy.id());
        for shell in [&mut busy, &mut idle] {
            let children = children(shell.id()).unwrap_or_default();
            let _ = Command::new("kill")
                .args(children.split_whitespace())
                .status();
            shell.wait()?;
        }
        assert_eq!(over, [false, true]);
        assert!(used.is_some_and(|used| used < CPU_TIME));
        Ok(())
    }
}
