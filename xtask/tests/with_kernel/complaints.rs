//! Complaints of the kernel that only their level shows, and messages of a module at the same
//! level: each parameter of the test module `complains` becomes a lesson.

use anyhow::{Context as _, Result, ensure};

use xtask::report::json::{RunEntry, SuiteDocument};

use crate::lab::{TestClone, document, text};

/// The test module.
const MODULE: &str = "complains";

/// Values of its parameter, the commands between `insmod` and `rmmod`, and a part of the message
/// of the verdict `kernel-report`; an empty one for the verdict `pass`.
const CASES: &[(&str, &str, &str)] = &[
    ("nothing", "", ""),
    (
        "init_says_one",
        "",
        // In Linux 7.3 without quotes.
        "init suspiciously returned 1",
    ),
    (
        "same_name_twice",
        "",
        "sysfs: cannot create duplicate filename '/kernel/complains'",
    ),
    (
        "seq_next_stays",
        "$ head -n 1 /proc/complains\nitem\n",
        "seq_file: buggy .next function seq_next",
    ),
    (
        "driver_twice",
        "",
        "Driver 'complains' is already registered, aborting...",
    ),
    ("folder_in_a_file", "", "fs/proc/generic.c:"),
    (
        "nothing nod=1",
        "",
        "complains_nothing_nod: unknown parameter 'nod' ignored",
    ),
    // The text expects the complaint.
    (
        "nothing nod=2",
        "$ dmesg | tail -n 1\n[..] complains_nothing_nod_2: unknown parameter 'nod' ignored\n",
        "",
    ),
    (
        "nothing nod=3",
        "$ dmesg | tail -n 1\n[..]\n",
        "unknown parameter 'nod' ignored",
    ),
    (
        "nothing user",
        "$ echo '<4>bad: scheduling from the idle thread!' > /dev/kmsg\n",
        "",
    ),
    ("own_without_level", "", ""),
    ("own_error", "", ""),
    ("own_device", "", ""),
    ("own_text", "", ""),
    ("own_stack", "", ""),
    ("own_many", "", ""),
];

/// Returns the name of the lesson for a case.
fn lesson(what: &str) -> String {
    let name = what.replace("=1", "").replace([' ', '='], "_");
    format!("{MODULE}_{name}")
}

/// Runs all cases with these options, and reports each that ends otherwise.
fn check(options: &[&str]) -> Result<()> {
    let clone = TestClone::with_tests(&[MODULE])?;
    let twin = std::fs::read_to_string(clone.lesson(MODULE).join(format!("c/{MODULE}.c")))?;
    std::fs::remove_dir_all(clone.lesson(MODULE))?;
    for (what, commands, _) in CASES {
        let name = lesson(what);
        let parameters = what.replace(" user", "");
        let console = format!("$ insmod {name}.ko what={parameters}\n{commands}$ rmmod {name}\n");
        std::fs::create_dir(clone.lesson(&name))?;
        clone.write_lesson(&name, "README.md", &text(&name, &console))?;
        clone.add_twin(&name, &twin)?;
    }
    let args = ["test", "--lang", "c", "--json", "x.json"];
    let output = clone.run(&[&args, options].concat())?;
    let SuiteDocument { runs, .. } = document(&std::fs::read_to_string(clone.path("x.json"))?)?;
    let mut wrong = String::new();
    for (what, _, message) in CASES {
        let run: &RunEntry = runs
            .iter()
            .find(|run| run.lesson == lesson(what))
            .with_context(|| format!("no run of {what}\n{}", output.printed()))?;
        let verdict = if message.is_empty() {
            "pass"
        } else {
            "kernel-report"
        };
        if run.verdict != verdict || !run.message.contains(message) {
            wrong += &format!("{what}: {run:#?}\n");
        }
    }
    ensure!(wrong.is_empty(), "{wrong}\n{}", output.printed());
    Ok(())
}

#[test]
fn in_virtual_time() -> Result<()> {
    check(&[])
}

#[test]
#[ignore = "takes a minute; ci/nightly runs it, and CI the same cases in virtual time"]
fn in_real_time() -> Result<()> {
    check(&["--time", "real"])
}

/// A module in Rust prints its name before each message, as the kernel does about that module.
#[test]
fn of_a_module_in_rust() -> Result<()> {
    let console = |parameter| format!("$ insmod probe.ko{parameter}\n$ rmmod probe\n");
    let clone = TestClone::probe(&console(" nod=1"))?;
    let unknown = "the kernel reported: probe: unknown parameter 'nod' ignored";
    clone.run(&["test"])?.expect(1, &[unknown])?;
    let loud = crate::lab::MODULE.replace(
        "Ok(Probe)",
        "pr_err!(\"error {}\\n\", -5);\n        pr_warn!(\"it failed: 7\\n\");\n        \
         pr_emerg!(\"Unknown symbol x (err 7)\\n\");\n        Ok(Probe)",
    );
    clone.write_lesson("probe", "README.md", &text("probe", &console("")))?;
    clone.write_lesson("probe", "probe.rs", &loud)?;
    clone.run(&["test"])?.expect(0, &["1 passed, 0 failed"])
}
