//! What it costs to wake a thread that waits on a queue and to switch to it, in
//! Rust and in C: two threads wake each other in turns.

use anyhow::{Context as _, Result, ensure};

use crate::figures::Bench;
use crate::languages::{Comparison, TIME};
use crate::results::median;
use xtask::modules::{self, Language, Module};

/// The test module whose `insmod` does it.
const MODULE: &str = "wake_up";

/// How often each thread wakes the other. The guest's clock tells hundredths of
/// a second, and what `insmod` does besides takes one: little beside seconds.
const ROUNDS: u32 = 40_000;

/// Instructions of a second: one takes 2^5 ns.
const SECOND: f64 = 1e9 / 32.0;

/// Prints what the clock says before `insmod` and after it. One CPU only, and
/// one of the threads can always run: no time is idle, so all of it is
/// instructions.
const SCRIPT: &str = r#"
echo 0 >/sys/devices/system/cpu/cpu1/online || exit 1
read -r before _ </proc/uptime
insmod FILE rounds=ROUNDS || exit 2
read -r after _ </proc/uptime
dmesg | grep -q "MODULE: ROUNDS rounds" || exit 3
rmmod MODULE || exit 4
echo "uptime $before $after"
"#;

impl Bench<'_> {
    /// Compares the two languages' instructions of one wake-up.
    pub fn wake_ups(&self) -> Result<Comparison> {
        eprintln!("bench: a wake-up in Rust and in C");
        let test_modules = self.test_modules(&[MODULE])?;
        let prepared = self.prepared;
        let wanted = [Language::Rust, Language::C].map(|language| (MODULE, language));
        let built = modules::build(
            &test_modules.session,
            &prepared.toolchain,
            &prepared.kernel,
            &wanted,
        )?;
        let of = |language| -> Result<f64> {
            let module = built.iter().find(|module| module.language == language);
            let module = module.context("the module was not built")?;
            let costs: Vec<f64> = (0..self.runs)
                .map(|_| self.wake_up(module))
                .collect::<Result<_>>()?;
            Ok(median(costs))
        };
        Ok(Comparison::new(
            "wake-up".to_owned(),
            "instructions",
            TIME,
            of(Language::Rust)?,
            of(Language::C)?,
        ))
    }

    fn wake_up(&self, module: &Module) -> Result<f64> {
        let file = self.stripped(module)?;
        let command = SCRIPT
            .replace("FILE", &file.path)
            .replace("MODULE", MODULE)
            .replace("ROUNDS", &ROUNDS.to_string());
        let output = self.script(MODULE, command, file)?;
        instructions(&output).with_context(|| format!("{MODULE}:\n{output}"))
    }
}

/// Instructions of one wake-up, from the script's line.
fn instructions(output: &str) -> Result<f64> {
    let times = output
        .lines()
        .find_map(|line| line.strip_prefix("uptime "))
        .context("the guest printed no times")?;
    let seconds: Vec<f64> = times
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| format!("these are no times: {times}"))?;
    ensure!(seconds.len() == 2, "these are not two times: {times}");
    Ok((seconds[1] - seconds[0]) * SECOND / f64::from(2 * ROUNDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_instructions_of_one_wake_up() -> Result<()> {
        let one = instructions("insmod: noise\nuptime 1.00 9.00\n")?;
        assert!((one - 3125.0).abs() < 1e-6, "{one}");
        Ok(())
    }

    #[test]
    fn what_is_no_time_is_an_error() {
        for output in ["", "uptime\n", "uptime 1.0\n", "uptime 1.0 x\n"] {
            assert!(instructions(output).is_err(), "{output:?}");
        }
    }
}
