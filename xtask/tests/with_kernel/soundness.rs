//! Safe Rust against `kernel_ext`: the test modules `safe_*`, which leak handles, panic and wait for
//! themselves. None of them may make the kernel run freed code or use freed memory.
//!
//! A text that ends with `pass` is compared with its output. The others show what is documented: a
//! program that does not compile, and mistakes that hang as they do in C.

use anyhow::{Context as _, Result, ensure};

use crate::lab::{TestClone, row_and_details};

/// A test module, and its run's end.
struct Case {
    name: &'static str,
    /// The verdict's name in the JSON report, or two with `or`.
    verdict: &'static str,
    /// Parts of the report.
    words: &'static [&'static str],
}

const fn passes(name: &'static str) -> Case {
    Case {
        name,
        verdict: "pass",
        words: &[],
    }
}

const CASES: &[Case] = &[
    passes("safe_leaks_thread"),
    passes("safe_leaks_in_init"),
    passes("safe_leaks_file"),
    passes("safe_late_handles"),
    passes("safe_joins_itself"),
    passes("safe_nested_threads"),
    passes("safe_deep_folders"),
    passes("safe_condition_sleeps"),
    passes("safe_endless_show"),
    passes("safe_edges"),
    passes("safe_errors"),
    passes("safe_killed"),
    passes("safe_early_start"),
    passes("safe_late_call"),
    passes("safe_storm"),
    passes("safe_values"),
    // On a kernel that goes on after an oops: the panic is reported, and is the only one.
    Case {
        name: "safe_condition_panics",
        verdict: "panic",
        words: &[
            "index out of bounds: the len is 3 but the index is 3",
            "safe_condition_panics: now wake up",
            "safe_condition_panics: woken",
        ],
    },
    Case {
        name: "safe_owner_panics",
        verdict: "panic",
        words: &[
            "index out of bounds: the len is 3 but the index is 3",
            "safe_owner_panics: the handle of a thread was leaked; it ends now",
        ],
    },
    Case {
        name: "safe_show_panics",
        verdict: "panic",
        words: &["index out of bounds: the len is 3 but the index is 3"],
    },
    // `release` has yet to run for another process, so the module stays.
    Case {
        name: "safe_release_panics",
        verdict: "panic",
        words: &[
            "index out of bounds: the len is 3 but the index is 3",
            "safe_release_panics: a task was killed while it removed a file in /proc",
        ],
    },
    // Its threads sleep for weeks.
    Case {
        name: "safe_long_sleeps",
        verdict: "left-over",
        words: &["the module safe_long_sleeps is still loaded"],
    },
    Case {
        name: "safe_if_let",
        verdict: "hang",
        words: &["blocked for more than 30 seconds", "in show:"],
    },
    Case {
        name: "safe_release_self",
        verdict: "hang",
        words: &["blocked for more than 30 seconds", "in release:"],
    },
    // The broken count of preemption stops some kernels later.
    Case {
        name: "safe_spin_slot",
        verdict: "kernel-report or panic",
        words: &["BUG: scheduling while atomic: rmmod/"],
    },
];

/// Modules that the compiler must refuse, and parts of its message.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "safe_big_closure",
        &["this value is larger than 1024 bytes; keep the data in an `Arc` or a `KBox`"],
    ),
    (
        "safe_aligned_closure",
        &["this value has an alignment of more than 128 bytes"],
    ),
    (
        "safe_refused",
        &[
            "`Cell<u32>` cannot be shared between threads safely",
            "`*mut ()` cannot be shared between threads safely",
        ],
    ),
];

/// A second oops would be `[#2]`.
const SECOND_OOPS: &str = "[#2]";

#[test]
fn safe_code_cannot_crash_the_kernel() -> Result<()> {
    let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    let mut args = vec!["test", "--lang", "rust"];
    args.extend(&names);
    let printed = TestClone::with_tests(&names)?.run(&args)?.printed();
    let mut wrong = String::new();
    for case in CASES {
        if let Err(error) = check(case, &printed) {
            wrong += &format!("== {}: {error:#}\n", case.name);
        }
    }
    ensure!(wrong.is_empty(), "{wrong}");
    Ok(())
}

/// Threads whose handles were leaked run on after the kernel has announced that the module is being
/// unloaded. The breakpoints that delay tasks must be gone then: kprobes leaves them in the code, useless.
#[test]
#[ignore = "ci/nightly runs it"]
fn delayed_threads_outlive_their_modules_exit() -> Result<()> {
    let names = ["safe_late_handles", "safe_leaks_thread"];
    let mut args = vec!["test", "--lang", "rust", "--schedules", "10"];
    args.extend(names);
    let printed = TestClone::with_tests(&names)?.run(&args)?.printed();
    for name in names {
        let (row, details) = row_and_details(&printed, name, "rust")?;
        ensure!(row.contains("  ok  "), "{row}\n{details}");
    }
    Ok(())
}

fn check(case: &Case, printed: &str) -> Result<()> {
    let (row, details) = row_and_details(printed, case.name, "rust")?;
    let has = |verdict: &str| match verdict {
        "pass" => row.contains("  ok  "),
        verdict => row.contains(&format!("  {verdict}: ")),
    };
    let expected = case.verdict;
    ensure!(
        expected.split(" or ").any(has),
        "no {expected:?} in {row}\n{details}"
    );
    for words in case.words {
        ensure!(
            details.contains(words),
            "{words:?} is missing\n{row}\n{details}"
        );
    }
    ensure!(!details.contains(SECOND_OOPS), "{details}");
    Ok(())
}

#[test]
fn unsound_programs_do_not_compile() -> Result<()> {
    for (name, words) in REFUSED {
        let clone = TestClone::with_tests(&[name])?;
        let printed = clone.run(&["test", "--lang", "rust", name])?.printed();
        let (row, _) = row_and_details(&printed, name, "rust")?;
        ensure!(row.contains("  does-not-compile: "), "{row}");
        for words in *words {
            let context = || format!("{name}: {words:?} is missing\n{printed}");
            printed.find(words).with_context(context)?;
        }
    }
    Ok(())
}
