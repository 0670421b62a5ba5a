//! The cost of waking a thread that waits on a queue and of switching to it, in Rust
//! and in C: two threads wake each other in turns.

use anyhow::{Context as _, Result, ensure};
use xtask::modules::Language;

use crate::clone::ScratchClone;
use crate::figures::Bench;
use crate::languages::{Comparison, TIME};
use crate::measure;
use crate::results::median;

/// The test module whose `insmod` does it.
const MODULE: &str = "wake_up";

/// Number of times that each thread wakes the other. The guest's clock has hundredths
/// of a second, and the rest of `insmod` takes one: little beside seconds.
const ROUNDS: u32 = 40_000;

/// Instructions in a second of the guest: one takes 2^5 ns.
const SECOND: f64 = 1e9 / 32.0;

/// Reads the clock before and after `insmod`. With one CPU, one of the threads can
/// always run, so that no time is idle and all of it is instructions. The last command
/// is a mismatch, which puts its output into the report.
const TEXT: &str = "\
# Wake-ups

```console
$ echo 0 >/sys/devices/system/cpu/cpu1/online
$ read -r before _ </proc/uptime
$ insmod MODULE.ko rounds=ROUNDS
$ read -r after _ </proc/uptime
$ dmesg | grep -c 'MODULE: ROUNDS rounds'
1
$ rmmod MODULE
$ echo \"uptime $before $after\"
```
";

impl Bench<'_> {
    /// Compares the two languages' instructions of one wake-up.
    pub fn wake_ups(&self) -> Result<Comparison> {
        xtask::errln!("bench: a wake-up in Rust and in C");
        let clone = ScratchClone::with_test_modules(self.root(), &[MODULE])?;
        let text = TEXT
            .replace("MODULE", MODULE)
            .replace("ROUNDS", &ROUNDS.to_string());
        std::fs::write(clone.lesson(MODULE).join("README.md"), text)?;
        let cost = |language: Language| -> Result<f64> {
            let language = language.to_string();
            let args = self.args(&["--lang", &language]);
            let costs = self.times(|| {
                let report = measure::test(clone.root(), &args)?;
                let run = report.runs.first().context("no run")?;
                let printed = run.mismatch.as_ref().map(|mismatch| &mismatch.printed);
                let printed = printed.with_context(|| run.message.clone())?;
                instructions(&printed.join("\n"))
            })?;
            Ok(median(costs))
        };
        Ok(Comparison::new(
            "wake-up".to_owned(),
            "instructions",
            TIME,
            cost(Language::Rust)?,
            cost(Language::C)?,
        ))
    }
}

/// Returns the instructions of one wake-up from the line with the two clock readings.
fn instructions(output: &str) -> Result<f64> {
    let times = output
        .lines()
        .find_map(|line| line.strip_prefix("uptime "))
        .context("the guest printed no times")?;
    let seconds: Vec<f64> = times
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| format!("not times: {times}"))?;
    ensure!(seconds.len() == 2, "not two times: {times}");
    Ok((seconds[1] - seconds[0]) * SECOND / f64::from(2 * ROUNDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_instructions_of_one_wake_up() -> Result<()> {
        let one = instructions("insmod: clutter\nuptime 1.00 9.00\n")?;
        assert!((one - 3125.0).abs() < 1e-6, "{one}");
        Ok(())
    }

    #[test]
    fn output_without_two_times_is_an_error() {
        for output in ["", "uptime\n", "uptime 1.0\n", "uptime 1.0 x\n"] {
            assert!(instructions(output).is_err(), "{output:?}");
        }
    }
}
