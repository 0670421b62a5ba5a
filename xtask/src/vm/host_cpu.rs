//! A CPU of the host for each guest in virtual time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, setpriority_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

use super::watchdog::children;

/// The number of this program's guests on each CPU.
static GUESTS: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

/// A CPU of the host that one guest runs on, until the value is dropped.
///
/// A timer of the guest is handled by QEMU's main loop or by the thread of the guest's CPUs,
/// whichever comes first. On CPUs of their own the two threads race, which moves the end of a
/// guest CPU's turn: 6 of 14 timelines of `io_wait_event` differed from the other 8. On one CPU
/// all 14 were equal.
#[derive(Debug)]
pub(super) struct HostCpu {
    /// The CPU's number; `None` if the host does not report which CPUs this thread may use.
    number: Option<usize>,
}

impl HostCpu {
    /// Reserves the CPU with the fewest guests among those that this thread may use. Of several,
    /// it takes the one that this thread is on: the host's scheduler has put it there because no
    /// other program used it, another xtask for example.
    pub fn reserve() -> Self {
        let Ok(allowed) = sched_getaffinity(None) else {
            return Self { number: None };
        };
        let mut guests = guests();
        let current = sched_getcpu();
        let number = (0..CpuSet::MAX_CPU)
            .filter(|cpu| allowed.is_set(*cpu))
            .min_by_key(|cpu| (guests.get(cpu).copied().unwrap_or(0), *cpu != current));
        if let Some(number) = number {
            *guests.entry(number).or_default() += 1;
        }
        Self { number }
    }

    /// Calls `start` on this CPU. A process that it starts stays there.
    pub fn on<T>(&self, start: impl FnOnce() -> T) -> T {
        let (Some(number), Ok(before)) = (self.number, sched_getaffinity(None)) else {
            return start();
        };
        let mut only = CpuSet::new();
        only.set(number);
        // Without leave to choose a CPU the guest runs all the same.
        let _ = sched_setaffinity(None, &only);
        let result = start();
        let _ = sched_setaffinity(None, &before);
        result
    }
}

impl Drop for HostCpu {
    fn drop(&mut self) {
        if let Some(number) = self.number
            && let Some(count) = guests().get_mut(&number)
        {
            *count -= 1;
        }
    }
}

/// The nice value of QEMU's main thread while a snapshot is taken.
const NICE: i32 = 10;

/// Lets the thread of a guest's CPUs run before the main thread of its QEMU, the child of `guard`, where
/// both wait for the same CPU of the host. QEMU has made its threads by then. On Linux, a process's number
/// names its main thread alone (setpriority(2)); where the host refuses, nothing changes.
pub(super) fn prefer_guest(guard: u32) {
    for child in children(guard).unwrap_or_default().split_whitespace() {
        if let Some(main) = child.parse().ok().and_then(Pid::from_raw) {
            let _ = setpriority_process(Some(main), NICE);
        }
    }
}

fn guests() -> MutexGuard<'static, BTreeMap<usize, usize>> {
    GUESTS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use anyhow::Context as _;
    use rustix::process::{Signal, getpriority_process, kill_process};

    use super::*;

    #[test]
    fn a_child_gets_the_cpu_and_this_thread_keeps_its_own() -> anyhow::Result<()> {
        let before = sched_getaffinity(None)?;
        let cpu = HostCpu::reserve();
        let status = cpu.on(|| {
            std::process::Command::new("grep")
                .args(["Cpus_allowed_list", "/proc/self/status"])
                .output()
        })?;
        let number = cpu.number.map(|number| number.to_string());
        let listed = String::from_utf8(status.stdout)?;
        assert_eq!(listed.split_whitespace().nth(1), number.as_deref());
        assert_eq!(sched_getaffinity(None)?, before);
        Ok(())
    }

    #[test]
    fn the_main_thread_of_a_child_gives_way() -> anyhow::Result<()> {
        let script = "sleep 1000 & echo $!; wait";
        let mut guard = std::process::Command::new("sh")
            .args(["-c", script])
            .stdout(std::process::Stdio::piped())
            .spawn()?;
        let mut child = String::new();
        let stdout = guard.stdout.take().context("standard output")?;
        BufReader::new(stdout).read_line(&mut child)?;
        let child = child.trim().parse().ok().and_then(Pid::from_raw);
        let before = getpriority_process(child)?;
        prefer_guest(guard.id());
        assert_eq!(getpriority_process(child)?, NICE.max(before));
        assert_eq!(getpriority_process(None)?, before);
        kill_process(child.context("a number")?, Signal::TERM)?;
        guard.wait()?;
        Ok(())
    }
}
