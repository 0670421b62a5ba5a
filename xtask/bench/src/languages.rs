//! Rust and C side by side: the modules' sizes, the instructions of `insmod` and
//! `rmmod` in the guest, and those of a wake-up.
//!
//! `insmod` costs more in Rust. The reasons were measured on `kthread_run`, by changing
//! one thing at a time (one guest each on 6.12, where a tick is 4,000
//! instructions; C 191,000, Rust 266,000). Line tables are a part: unstripped
//! files take 12,000 more in C and 23,000 more in Rust. Eight more undefined symbols
//! cost the C module 23,000, two more sections 20,000; the Rust module has those eight
//! and two more than the C module. Without the symbols that no relocation needs, the
//! Rust module takes 4,000 less. About 30,000 remain for three times as many
//! relocations and for the work of init; the measurements do not separate these two.

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;

use crate::figures::Bench;
use crate::measure;
use crate::results::{Aim, median, word};
use xtask::initramfs::GuestFile;
use xtask::lesson::record;
use xtask::lesson::transcript::{Step, Transcript};
use xtask::modules::{Language, Module};
use xtask::run::TaggedRun;

/// Bound of the size of a module in Rust over that of its C twin.
const SIZE: Aim = Aim::AtMost(1.5);

/// Bound of the instructions in Rust over those in C.
pub const TIME: Aim = Aim::AtMost(1.1);

/// Number of times that a module is loaded and removed. The `rmmod` of a lesson may wait
/// for a second, and a guest's limit is 120 seconds.
const CYCLES: u32 = 80;

/// Instructions in a tick of `/proc/PID/stat`, a hundredth of a second: an
/// instruction takes 2^5 ns.
const TICK: f64 = 10_000_000.0 / 32.0;

/// Loads and removes the module, and prints in ticks the CPU time of all the
/// `insmod`, then of all the `rmmod`.
///
/// The kernel adds up the CPU time of a process's children to the nanosecond, without
/// their sleep, so each of the two commands has a parent of its own. The guest has one
/// CPU, because QEMU lets two take turns on one clock. The first cycle, in which the
/// kernel has more work, does not count.
const SCRIPT: &str = r#"
echo 0 >/sys/devices/system/cpu/cpu1/online || exit 1
mkfifo /tmp/ask /tmp/answer
while read -r _; do
	rmmod MODULE 2>/dev/null
	echo $?
done </tmp/ask >/tmp/answer &
remover=$!
exec 3>/tmp/ask 4</tmp/answer
spent() {
	local user system
	read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ user system _ <"/proc/$1/stat"
	echo $((user + system))
}
cycle() {
	insmod FILE 2>/dev/null
	[ $? -eq INSERTED ] || exit 2
	echo >&3
	read -r status <&4
	[ "$status" -eq REMOVED ] || exit 3
}
cycle
inserts=$(spent $$)
removes=$(spent $remover)
i=0
while [ $i -lt CYCLES ]; do
	cycle
	i=$((i + 1))
done
echo "ticks $(($(spent $$) - inserts)) $(($(spent $remover) - removes))"
exec 3>&- 4<&-
"#;

/// One quantity of one lesson in both languages.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The lesson and the quantity.
    pub name: String,
    /// `bytes` or `instructions`.
    pub unit: &'static str,
    /// Rust's value.
    pub rust: f64,
    /// C's value.
    pub c: f64,
    /// Rust's value divided by C's.
    pub ratio: f64,
    /// Bound of the ratio.
    pub aim: Aim,
    /// True if the ratio is within the bound.
    pub reached: bool,
}

impl Comparison {
    pub fn new(name: String, unit: &'static str, aim: Aim, rust: f64, c: f64) -> Self {
        let ratio = rust / c;
        Self {
            name,
            unit,
            rust,
            c,
            ratio,
            aim,
            reached: aim.holds(ratio),
        }
    }
}

/// Instructions of one `insmod` and one `rmmod`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost {
    insert: f64,
    remove: f64,
}

impl Bench<'_> {
    /// Compares every lesson that is in both languages.
    pub fn languages(&self) -> Result<Vec<Comparison>> {
        let idle = self.cycles(None)?;
        let mut comparisons = Vec::new();
        for lesson in self.lessons {
            let module = |language| {
                let mut modules = self.built.modules.iter();
                modules.find(|module| module.name == lesson.name && module.language == language)
            };
            let (Some(rust), Some(c)) = (module(Language::Rust), module(Language::C)) else {
                continue;
            };
            let name = &lesson.name;
            xtask::errln!("bench: {name} in Rust and in C");
            comparisons.push(Comparison::new(
                format!("{name}.ko, stripped"),
                "bytes",
                SIZE,
                self.stripped_size(rust)?,
                self.stripped_size(c)?,
            ));
            let [rust, c] = [self.cycles(Some(rust))?, self.cycles(Some(c))?];
            let mut time = |command, of: fn(Cost) -> f64| {
                comparisons.push(Comparison::new(
                    format!("{command} {name}"),
                    "instructions",
                    TIME,
                    of(rust) - of(idle),
                    of(c) - of(idle),
                ));
            };
            time("insmod", |cost| cost.insert);
            time("rmmod", |cost| cost.remove);
        }
        comparisons.push(self.wake_ups()?);
        Ok(comparisons)
    }

    /// Returns a module for the guest as `make modules_install INSTALL_MOD_STRIP=1`
    /// installs it, by `strip --strip-debug` (scripts/Makefile.modinst).
    pub fn stripped(&self, module: &Module) -> Result<GuestFile> {
        let folder = tempfile::tempdir()?;
        let stripped = folder.path().join("stripped.ko");
        let mut strip =
            std::process::Command::new(self.built.toolchain.llvm_bin.join("llvm-strip"));
        measure::run(
            strip
                .args(["--strip-debug", "-o"])
                .args([&stripped, &module.path]),
        )?;
        Ok(GuestFile {
            path: format!("/root/{}.ko", module.name),
            mode: 0o644,
            contents: std::fs::read(&stripped)?,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "no module has 2^53 bytes")]
    fn stripped_size(&self, module: &Module) -> Result<f64> {
        Ok(self.stripped(module)?.contents.len() as f64)
    }

    /// Returns the cost of `insmod` and `rmmod` of a module; without a module, that of
    /// an empty file and of a name that is not loaded. It is the median of as many
    /// guests as a figure has runs: a tick is thousands of instructions of one cycle,
    /// and the other work of a guest varies.
    fn cycles(&self, module: Option<&Module>) -> Result<Cost> {
        let costs: Vec<Cost> = (0..self.runs)
            .map(|_| self.guest(module))
            .collect::<Result<_>>()?;
        Ok(middle(&costs))
    }

    /// Measures the cost in one guest.
    fn guest(&self, module: Option<&Module>) -> Result<Cost> {
        let (name, inserted, removed) = match module {
            Some(module) => (module.name.as_str(), "0", "0"),
            // The status of the guest's insmod is the kernel's error, here EINVAL.
            None => ("empty", "22", "1"),
        };
        let file = match module {
            Some(module) => self.stripped(module)?,
            None => GuestFile {
                path: format!("/root/{name}.ko"),
                mode: 0o644,
                contents: Vec::new(),
            },
        };
        let command = SCRIPT
            .replace("FILE", &file.path)
            .replace("MODULE", name)
            .replace("INSERTED", inserted)
            .replace("REMOVED", removed)
            .replace("CYCLES", &CYCLES.to_string());
        let output = self.script(name, command, file)?;
        cost(&output).with_context(|| format!("{name}:\n{output}"))
    }

    /// Runs a script in a guest that has the module `name` as `file`; returns its
    /// output.
    pub fn script(&self, name: &str, command: String, file: GuestFile) -> Result<String> {
        let step = Step {
            line: 1,
            command,
            expected: Vec::new(),
            status: 0,
        };
        let transcript = Transcript {
            steps: vec![step],
            stated_limit: None,
        };
        let TaggedRun { tag, run } = self.runner.transcript(&transcript, vec![file])?;
        let record = record::read(tag, &run.agent);
        let step = record.steps.first().context("the guest ran nothing")?;
        let output = String::from_utf8_lossy(&step.output).into_owned();
        if !record.finished() || step.end.is_none() {
            let (shell, end) = (record.shell, run.end);
            bail!("{name} was not loaded and removed (shell: {shell:?}, {end:?}):\n{output}");
        }
        Ok(output)
    }
}

/// Returns the median of each of the two quantities.
fn middle(costs: &[Cost]) -> Cost {
    let of = |one: fn(&Cost) -> f64| median(costs.iter().map(one).collect());
    Cost {
        insert: of(|cost| cost.insert),
        remove: of(|cost| cost.remove),
    }
}

/// Reads the line that the script prints.
fn cost(output: &str) -> Result<Cost> {
    let ticks = output
        .lines()
        .find_map(|line| line.strip_prefix("ticks "))
        .context("the guest printed no ticks")?;
    let numbers: Vec<u32> = ticks
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| format!("not ticks: {ticks}"))?;
    ensure!(numbers.len() == 2, "not two numbers: {ticks}");
    let each = |ticks: u32| f64::from(ticks) * TICK / f64::from(CYCLES);
    Ok(Cost {
        insert: each(numbers[0]),
        remove: each(numbers[1]),
    })
}

/// Returns the comparisons as a table for people.
pub fn table(comparisons: &[Comparison]) -> String {
    let mut text = format!(
        "{:<48} {:>9} {:>9} {:>7}  aim\n",
        "Rust and C", "Rust", "C", "ratio"
    );
    for comparison in comparisons {
        let Comparison {
            name,
            unit,
            rust,
            c,
            ratio,
            aim,
            reached,
        } = comparison;
        let name = format!("{name} ({unit})");
        let line = format!(
            "{name:<48} {rust:>9.0} {c:>9.0} {ratio:>7.2}  {aim} {}\n",
            word(*reached)
        );
        text.push_str(&line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_instructions_of_one_cycle() -> Result<()> {
        let cost = cost("insmod: clutter\nticks 80 8\n")?;
        assert!((cost.insert - 312_500.0).abs() < 1e-6, "{cost:?}");
        assert!((cost.remove - 31_250.0).abs() < 1e-6, "{cost:?}");
        Ok(())
    }

    #[test]
    fn each_quantity_has_its_own_median() {
        let costs = [(1.0, 9.0), (3.0, 8.0), (2.0, 7.0)];
        let costs = costs.map(|(insert, remove)| Cost { insert, remove });
        let (insert, remove) = (2.0, 8.0);
        assert_eq!(middle(&costs), Cost { insert, remove });
    }

    #[test]
    fn output_without_two_numbers_is_an_error() {
        for output in [
            "",
            "ticks",
            "ticks \n",
            "ticks 3\n",
            "ticks 3 x\n",
            "ticks 1 2 3\n",
        ] {
            assert!(cost(output).is_err(), "{output:?}");
        }
    }

    #[test]
    fn the_ratio_decides() {
        let compare = |rust, c| Comparison::new("x".to_owned(), "bytes", SIZE, rust, c).reached;
        assert!(compare(15.0, 10.0));
        assert!(!compare(15.1, 10.0));
        assert!(!compare(1.0, 0.0), "without a value, no bound is reached");
        assert!(!compare(0.0, 0.0), "without a value, no bound is reached");
    }
}
