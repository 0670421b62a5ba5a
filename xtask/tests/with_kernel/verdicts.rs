//! One deliberate module a verdict: the test modules `fails_*` and `prints_*`
//! below `modules/tests`, and what each comes to.
//!
//! Those of another profile's kernel are ignored unless asked for, since that
//! kernel takes minutes to build: `cargo test --test with_kernel -- --ignored`.

use anyhow::{Context as _, Result, ensure};

use crate::lab::{Clone, Ended};

/// A module and what it must come to.
struct Case {
    name: &'static str,
    /// As `--lang` has it.
    language: &'static str,
    /// As `--profile` has it; `teaching` is the kernel without that option.
    profile: &'static str,
    /// The verdict's name for programs.
    verdict: &'static str,
    /// What the report must say.
    words: &'static [&'static str],
}

const TEACHING: &str = "teaching";

const CASES: &[Case] = &[
    Case {
        name: "fails_null_dereference",
        language: "c",
        profile: TEACHING,
        verdict: "panic",
        words: &[
            "the kernel crashed: BUG: kernel NULL pointer dereference, address: 0000000000000008",
            "insmod (",
            ") was at modules/lessons/fails_null_dereference/c/fails_null_dereference.c:23, in sum:",
            "    23 |         sum += list->value;",
            // Inlined, and into what.
            "RIP: 0010:add_up+0x",
            "fails_null_dereference.c:23 in sum, inlined",
            "from modules/lessons/fails_null_dereference/c/fails_null_dereference.c:31",
            "31 |     return 1 + sum(READ_ONCE(fails_null_dereference_list));",
            " init/main.c:",
        ],
    },
    Case {
        name: "fails_rust_panic",
        language: "rust",
        profile: TEACHING,
        verdict: "panic",
        words: &[
            "the kernel crashed: rust_kernel: panicked at \
             lessons/fails_rust_panic/fails_rust_panic.rs:27:5: \
             index out of bounds: the len is 3 but the index is 3",
            ") was at modules/lessons/fails_rust_panic/fails_rust_panic.rs:27, in element:",
            "    27 |     of[core::hint::black_box(at)]",
            " fails_rust_panic::element+0x",
            " library/core/src/panicking.rs:",
            "<fails_rust_panic::Test as kernel::Module>::init+0x",
        ],
    },
    Case {
        name: "fails_deadlock",
        language: "rust",
        profile: TEACHING,
        verdict: "hang",
        words: &[
            "hung: INFO: task deadlocked:",
            " blocked for more than 30 seconds, after ",
            "$ rmmod fails_deadlock",
            // Both stacks.
            "deadlocked (",
            ") was at modules/lessons/fails_deadlock/fails_deadlock.rs:62, in first_then_second:",
            "    62 |     let second = shared.second.lock();",
            "rmmod (",
            ") was at modules/lessons/fails_deadlock/fails_deadlock.rs:71, in second_then_first:",
            "    71 |     let first = shared.first.lock();",
            "fails_deadlock::first_then_second+0x",
            "fails_deadlock::second_then_first+0x",
            " kernel/locking/mutex.c:",
        ],
    },
    Case {
        name: "fails_sleep_in_atomic",
        language: "rust",
        profile: TEACHING,
        verdict: "kernel-report",
        words: &[
            "the kernel reported: BUG: scheduling while atomic: insmod/",
            ") was at modules/lessons/fails_sleep_in_atomic/fails_sleep_in_atomic.rs:22, in init:",
            "    22 |         msleep(10);",
        ],
    },
    Case {
        name: "fails_might_sleep",
        language: "rust",
        profile: "debug",
        verdict: "kernel-report",
        words: &[
            "the kernel reported: BUG: sleeping function called from invalid context at ",
            ") was at modules/lessons/fails_might_sleep/fails_might_sleep.rs:22, in init:",
            "    22 |         let copy = shared(*guard)?;",
        ],
    },
    Case {
        name: "fails_endless_loop",
        language: "rust",
        profile: TEACHING,
        verdict: "hang",
        words: &[
            "hung: watchdog: BUG: soft lockup - CPU#",
            ") was at modules/lessons/fails_endless_loop/fails_endless_loop.rs:23, in init:",
            "    23 |         while black_box(*guard) > 0 {}",
        ],
    },
    Case {
        name: "fails_irqs_off",
        language: "c",
        profile: TEACHING,
        verdict: "hang",
        words: &[
            "hung: rcu: INFO: rcu_preempt detected stalls on CPUs/tasks",
            ") was at modules/lessons/fails_irqs_off/c/fails_irqs_off.c:16, in spin:",
        ],
    },
    Case {
        name: "fails_all_deaf",
        language: "c",
        profile: TEACHING,
        verdict: "hang",
        words: &[
            "hung: no CPU took interrupts any more, after ",
            ") was at modules/lessons/fails_all_deaf/c/fails_all_deaf.c:26, in take:",
            "    26 |     spin_lock(other);",
        ],
    },
    // Nothing in the teaching kernel sees these three.
    Case {
        name: "fails_might_sleep",
        language: "rust",
        profile: TEACHING,
        verdict: "pass",
        words: &[],
    },
    Case {
        name: "fails_leak",
        language: "rust",
        profile: TEACHING,
        verdict: "pass",
        words: &[],
    },
    Case {
        name: "fails_use_after_free",
        language: "c",
        profile: TEACHING,
        verdict: "pass",
        words: &[],
    },
    Case {
        name: "fails_leak",
        language: "rust",
        profile: "debug",
        verdict: "kernel-report",
        words: &[
            "the kernel reported: kmemleak: ",
            ") was at modules/lessons/fails_leak/fails_leak.rs:29, in forget:",
            "    29 |     core::mem::forget(shared(value)?);",
        ],
    },
    Case {
        name: "fails_use_after_free",
        language: "c",
        profile: "kasan",
        verdict: "kernel-report",
        words: &[
            "BUG: KASAN: slab-use-after-free in read_again+0x",
            "modules/lessons/fails_use_after_free/c/fails_use_after_free.c:13",
        ],
    },
    Case {
        name: "fails_thread_left",
        language: "rust",
        profile: TEACHING,
        verdict: "left-over",
        words: &[
            "left something behind: the kernel thread ",
            "[left behind] still runs",
        ],
    },
    Case {
        name: "fails_thread_runs_on",
        language: "rust",
        profile: TEACHING,
        verdict: "panic",
        words: &[
            "the kernel crashed: BUG: unable to handle page fault for address: ffffffffa",
            "runs on (",
            ") was at modules/lessons/fails_thread_runs_on/fails_thread_runs_on.rs:22, in {closure#0}:",
            "    22 |                 msleep(100);",
            "(of the module that is no more)",
        ],
    },
    Case {
        name: "fails_proc_left",
        language: "rust",
        profile: TEACHING,
        verdict: "left-over",
        words: &["left something behind: /proc/left_behind is still there"],
    },
    Case {
        name: "fails_guest_ends",
        language: "rust",
        profile: TEACHING,
        verdict: "guest-lost",
        words: &[
            "the guest was lost: it ended in the middle of the lesson",
            "    $ reboot -f",
            "reboot: machine restart",
        ],
    },
    Case {
        name: "prints_a_storm",
        language: "rust",
        profile: TEACHING,
        verdict: "pass",
        words: &[],
    },
    Case {
        name: "prints_marks",
        language: "rust",
        profile: TEACHING,
        verdict: "pass",
        words: &[],
    },
    Case {
        name: "prints_rubbish",
        language: "rust",
        profile: TEACHING,
        verdict: "pass",
        words: &[],
    },
];

/// Plays the cases of a profile in a language, side by side, as lessons of a
/// clone of their own.
fn play(profile: &str, language: &str) -> Result<Ended> {
    let names: Vec<&str> = of(profile, language).map(|case| case.name).collect();
    let mut args = vec!["test", "--lang", language];
    if profile != TEACHING {
        args.extend(["--profile", profile]);
    }
    args.extend(&names);
    Clone::with_tests(&names)?.run(&args)
}

fn of(profile: &str, language: &str) -> impl Iterator<Item = &'static Case> {
    CASES
        .iter()
        .filter(move |case| case.profile == profile && case.language == language)
}

/// The line with what a case came to, and all that is said of it.
fn told<'a>(printed: &'a str, case: &Case) -> Result<(&'a str, &'a str)> {
    let name = format!("{} ({})", case.name, case.language);
    let row = printed
        .lines()
        .find(|line| {
            line.strip_prefix(&name)
                .is_some_and(|rest| rest.starts_with(' '))
        })
        .with_context(|| format!("no row\n{printed}"))?;
    let begin = format!("\nmodules/lessons/{}/README.md:", case.name);
    let details = printed.find(&begin).map_or("", |at| {
        let details = &printed[at..];
        let end = details[1..].find("\nmodules/lessons/").map(|end| end + 1);
        &details[..end.unwrap_or(details.len())]
    });
    Ok((row, details))
}

impl Case {
    /// Holds if what was printed says what this comes to.
    fn is_told(&self, printed: &str) -> Result<()> {
        let (row, details) = told(printed, self)?;
        if self.verdict == "pass" {
            ensure!(row.contains("  ok  "), "{row}\n{details}");
        } else {
            let verdict = format!("  {}: ", self.verdict);
            ensure!(row.contains("  FAILED  "), "{row}");
            ensure!(row.contains(&verdict), "no {verdict:?} in {row}\n{details}");
        }
        for words in self.words {
            ensure!(
                row.contains(words) || details.contains(words),
                "{words:?} is missing\n{row}\n{details}"
            );
        }
        Ok(())
    }
}

/// Plays the cases of a profile in a language; what is wrong with each is told.
fn all_come_to_what_they_should(profile: &str, language: &str) -> Result<()> {
    let ended = play(profile, language)?;
    let printed = ended.printed();
    let mut wrong = String::new();
    let (mut cases, mut failures) = (0, 0);
    for case in of(profile, language) {
        if let Err(error) = case.is_told(&printed) {
            wrong += &format!("== {}: {error:#}\n", case.name);
        }
        cases += 1;
        failures += i32::from(case.verdict != "pass");
    }
    ensure!(wrong.is_empty(), "{wrong}");
    let counts = format!("{} passed, {failures} failed, 0 skipped", cases - failures);
    ended.expect(i32::from(failures > 0), &[&counts])
}

/// The kernel's own buffer keeps the newest lines only; the serial console has
/// them all, in order.
#[test]
fn ten_thousand_lines_all_arrive() -> Result<()> {
    let clone = Clone::with_tests(&["prints_a_storm"])?;
    let ended = clone.run(&["test", "--lang", "rust", "--verbose"])?;
    // With --verbose all that the guest said is printed.
    let printed = &ended.stderr;
    let numbers: Vec<u32> = printed
        .lines()
        .filter_map(|line| {
            line.split_once("] prints_a_storm: line ")?
                .1
                .split_once(' ')
        })
        .filter_map(|(number, _)| number.parse().ok())
        .collect();
    // The last comes once more: `dmesg` shows it.
    let all: Vec<u32> = (1..=10_000).chain([10_000]).collect();
    ensure!(numbers == all, "{} lines came", numbers.len());
    ended.expect(0, &[])
}

#[test]
fn what_modules_in_rust_come_to() -> Result<()> {
    all_come_to_what_they_should(TEACHING, "rust")
}

#[test]
fn what_modules_in_c_come_to() -> Result<()> {
    all_come_to_what_they_should(TEACHING, "c")
}

#[test]
#[ignore = "builds the kernel of another profile"]
fn what_modules_come_to_on_the_debug_kernel() -> Result<()> {
    all_come_to_what_they_should("debug", "rust")
}

#[test]
#[ignore = "builds the kernel of another profile"]
fn what_modules_come_to_on_the_kernel_with_kasan() -> Result<()> {
    all_come_to_what_they_should("kasan", "c")
}
