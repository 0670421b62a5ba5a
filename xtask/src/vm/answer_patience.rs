//! Decides how long to wait for QEMU's answer.
//!
//! QEMU answers within a millisecond of CPU time, but on a busy host it may get no CPU for
//! seconds. A limit of 2 s of the host's time gave up one of six snapshots on two cores with a load
//! of about 14 (November 2026), and a guest that booted in its place has other bytes for the same
//! seed.

use std::time::Duration;

use super::watchdog::{cpu_time, runs};

/// Looks in a row, 0.2 s apart, at which no thread of QEMU ran, after which it will not answer.
const IDLE_LOOKS: u32 = 10;

/// CPU time of QEMU after which it will not answer: the guest's CPUs run on, and the main loop
/// does not.
const CPU_TIME: Duration = Duration::from_secs(5);

/// The wait for one answer.
#[derive(Debug)]
pub(super) struct AnswerPatience {
    guard: u32,
    /// QEMU's CPU time when the wait began.
    began: Option<Duration>,
    idle_looks: u32,
}

impl AnswerPatience {
    /// Begins to wait for the QEMU that is a child of `guard`.
    pub fn new(guard: u32) -> Self {
        Self {
            guard,
            began: cpu_time(guard),
            idle_looks: 0,
        }
    }

    /// Reports whether QEMU will not answer; call it every 0.2 s.
    pub fn is_over(&mut self) -> bool {
        let used = cpu_time(self.guard)
            .zip(self.began)
            .map(|(now, began)| now.saturating_sub(began));
        // A host that does not report the CPU time does not limit the wait by it.
        match used.is_some() && runs(self.guard) {
            true => self.idle_looks = 0,
            false => self.idle_looks += 1,
        }
        self.idle_looks >= IDLE_LOOKS || used.is_some_and(|used| used >= CPU_TIME)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command};

    use super::super::qmp::Qmp;
    use super::*;

    /// Starts a shell in place of the guard, with a child.
    fn guard_of(script: &str) -> std::io::Result<Child> {
        Command::new("sh")
            .args(["-c", &format!("({script}) & wait")])
            .spawn()
    }

    fn end(mut guard: Child) -> std::io::Result<()> {
        let id = guard.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        Command::new("kill")
            .args(children.split_whitespace())
            .status()?;
        guard.wait()?;
        Ok(())
    }

    #[test]
    fn a_qemu_that_gets_no_cpu_is_waited_for() -> std::io::Result<()> {
        // It is ready to run, and has used hardly any CPU time.
        let guard = guard_of("while :; do :; done")?;
        std::thread::sleep(Duration::from_millis(20));
        let mut patience = AnswerPatience::new(guard.id());
        let over = (0..10 * IDLE_LOOKS).any(|_| patience.is_over());
        end(guard)?;
        assert!(!over);
        Ok(())
    }

    #[test]
    fn a_qemu_that_does_nothing_is_given_up() -> std::io::Result<()> {
        let guard = guard_of("exec sleep 1000")?;
        std::thread::sleep(Duration::from_millis(200));
        let mut patience = AnswerPatience::new(guard.id());
        let looks = (1..=10 * IDLE_LOOKS).find(|_| patience.is_over());
        end(guard)?;
        assert_eq!(looks, Some(IDLE_LOOKS));
        Ok(())
    }

    #[test]
    fn a_late_answer_is_read() -> anyhow::Result<()> {
        let guard = guard_of("while :; do :; done")?;
        let (stream, mut qemu) = UnixStream::pair()?;
        let answers = std::thread::spawn(move || -> std::io::Result<()> {
            writeln!(qemu, "{{\"QMP\": {{}}}}")?;
            let requests = BufReader::new(qemu.try_clone()?).lines();
            for (request, wait) in requests.zip([0, 2500]) {
                request?;
                std::thread::sleep(Duration::from_millis(wait));
                writeln!(qemu, "{{\"return\": {{\"status\": \"running\"}}}}")?;
            }
            Ok(())
        });
        let answer = Qmp::new(stream, guard.id()).and_then(|mut qmp| qmp.has_internal_error());
        end(guard)?;
        assert!(!answer?);
        answers.join().expect("it ends")?;
        Ok(())
    }
}
