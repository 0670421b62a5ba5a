//! Verdicts and messages for lessons that fail in virtual time. The cases that both
//! clocks share are in `clocks`.

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use anyhow::{Result, ensure};
use rustix::process::Signal;

use xtask::report::json::{SuiteDocument, TestCaseList};

use crate::lab::{
    MODULE, TWIN, TestClone, XtaskOutput, alive, document, kill, named, processes_below, run,
    wait_for, words,
};

/// Runs the lesson `probe` in Rust.
fn test(clone: &TestClone) -> Result<XtaskOutput> {
    clone.run(&["test", "--lang", "rust", "probe"])
}

/// Returns a clone whose lesson `probe` has this module in Rust.
fn with_module(module: &str, console: &str) -> Result<TestClone> {
    let clone = TestClone::probe(console)?;
    clone.write_lesson("probe", "probe.rs", module)?;
    Ok(clone)
}

/// Returns a clone whose lesson `probe` has this C twin.
fn with_twin(twin: &str, console: &str) -> Result<TestClone> {
    let clone = TestClone::probe(console)?;
    clone.add_twin("probe", twin)?;
    Ok(clone)
}

fn check(console: &str, status: i32, parts: &[&str]) -> Result<()> {
    test(&TestClone::probe(console)?)?.expect(status, parts)
}

#[test]
fn a_command_that_sleeps_for_ever_is_a_hang() -> Result<()> {
    check("$ sleep 100000\n", 1, &["hang", "sleep 100000"])
}

#[test]
fn a_command_that_runs_for_ever_is_a_hang_with_a_backtrace_per_cpu() -> Result<()> {
    let output = test(&TestClone::probe("$ while :; do :; done\n")?)?;
    output.expect(1, &["hang", "while :; do :; done"])?;
    let log = output.artifact("kernel.log")?;
    for cpu in [0, 1] {
        let backtrace = format!("NMI backtrace for cpu {cpu}");
        ensure!(log.contains(&backtrace), "{backtrace:?} is missing\n{log}");
    }
    Ok(())
}

#[test]
fn a_guest_that_never_starts_the_lesson_is_the_hosts_failure() -> Result<()> {
    let clone = TestClone::probe("$ true\n")?;
    let agent = "//! An agent that sleeps.\n\nfn main() {\n    loop {\n        \
                 std::thread::sleep(std::time::Duration::from_secs(1));\n    }\n}\n";
    std::fs::write(clone.path("initramfs/agent/src/main.rs"), agent)?;
    test(&clone)?.expect(69, &["infrastructure", "\n0 passed, 1 failed, 0 skipped\n"])
}

#[test]
fn insmod_reports_a_failed_init() -> Result<()> {
    let module = MODULE.replace("Ok(Probe)", "Err(EBUSY)");
    let console = "$ insmod probe.ko\n? 16\n\
                   insmod: can't insert 'probe.ko': Device or resource busy\n";
    test(&with_module(&module, console)?)?.expect(0, &["1 passed"])
}

#[test]
fn a_module_that_does_not_compile_is_the_lessons_failure() -> Result<()> {
    let module = MODULE.replace("Ok(Probe)", "Ok(Prober)");
    test(&with_module(&module, "$ true\n")?)?.expect(
        1,
        &[
            "does not compile",
            "modules/lessons/probe/probe.rs:16",
            "Prober",
        ],
    )
}

#[test]
fn modules_that_do_not_compile_do_not_stop_the_others() -> Result<()> {
    let names = ["good", "refused", "undefined", "unlicensed"];
    let clone = TestClone::with_lessons(&names.map(|name| (name, "$ true\n")))?;
    for name in names {
        let twin = match name {
            "refused" => TWIN.replace("return 0;", "return nothing;"),
            "undefined" => {
                format!("{TWIN}int nope(void);\nint f(void);\nint f(void) {{ return nope(); }}\n")
            }
            "unlicensed" => TWIN.replace("MODULE_LICENSE", "// MODULE_LICENSE"),
            _ => TWIN.to_owned(),
        };
        clone.add_twin(name, &twin)?;
    }
    let module = MODULE.replace("Ok(Probe)", "Ok(Prober)");
    clone.write_lesson("refused", "refused.rs", &module)?;
    let output = clone.run(&words(
        "test --repeat 2 --junit x.xml --json x.json --ktap x.ktap",
    ))?;
    output.expect(
        1,
        &[
            "good (rust)        ok  2 of 2 passed",
            "good (c)           ok  2 of 2 passed",
            "undefined (rust)   ok  2 of 2 passed",
            "unlicensed (rust)  ok  2 of 2 passed",
            "\nmodules/lessons/refused/refused.rs:16: refused (rust): a source does not compile: ",
            "\nmodules/lessons/refused/c/refused.c:7: refused (c): a source does not compile: ",
            "ERROR: modpost: \"nope\" [modules/undefined.ko] undefined!\n",
            "ERROR: modpost: missing MODULE_LICENSE() in modules/unlicensed.o\n",
            "\n8 passed, 4 failed, 0 skipped\n",
        ],
    )?;
    let SuiteDocument { runs, .. } = document(&std::fs::read_to_string(clone.path("x.json"))?)?;
    let verdicts: Vec<&str> = runs.iter().map(|run| run.verdict.as_str()).collect();
    let failed = "does-not-compile";
    let of_good = ["pass"; 4];
    let of_others = ["pass", "pass", failed];
    let wanted = [&of_good[..], &[failed; 2], &of_others, &of_others].concat();
    assert_eq!(verdicts, wanted);
    assert!(runs[4].message.contains("Prober"), "{}", runs[4].message);
    let junit = std::fs::read_to_string(clone.path("x.xml"))?;
    let junit = quick_junit::Report::deserialize_from_str(&junit)?;
    assert_eq!((junit.tests, junit.failures, junit.errors), (12, 4, 0));
    let ktap = std::fs::read_to_string(clone.path("x.ktap"))?;
    ensure!(
        ktap.contains("not ok 5 refused-rust # does-not-compile: "),
        "{ktap}"
    );

    let built = clone.run(&["build"])?;
    built.expect(
        1,
        &[
            "good.ko",
            "refused (c) does not compile for Linux ",
            "\"nope\"",
        ],
    )?;
    clone
        .run(&words("qemu --dry-run --lang c refused"))?
        .expect(1, &["error: refused (c) does not compile for Linux "])?;
    clone.run(&words("qemu --dry-run"))?.expect(
        0,
        &["the guest does not have refused\n", "qemu-system-x86_64"],
    )
}

#[test]
fn a_malformed_block_is_reported_with_file_and_line() -> Result<()> {
    check(
        "no command\n$ true\n",
        1,
        &["modules/lessons/probe/README.md:4"],
    )
}

#[test]
fn texts_that_cannot_be_tested_do_not_stop_the_others() -> Result<()> {
    let names = ["good", "open", "textless", "un quoted"];
    let clone = TestClone::with_lessons(&names.map(|name| (name, "$ true\n")))?;
    clone.write_lesson(
        "open",
        "README.md",
        "# open\n\n```console\n$ echo 'it is\n```\n",
    )?;
    clone.write_lesson(
        "textless",
        "README.md",
        "\u{feff}# textless\n\n```Console\n$ a\n```\n",
    )?;
    let wrong = [
        "modules/lessons/open/README.md:4: this command has a syntax error (",
        "modules/lessons/textless/README.md:3: this block is marked `Console`",
        "modules/lessons/un quoted/README.md: the folder's name is that of a module",
    ];
    clone
        .run(&words("test --list"))?
        .expect(0, &wrong.map(|text| text.split_at(40).0))?;
    let list = clone.run(&words("test --list --json - --lang rust"))?;
    list.expect(0, &[])?;
    let TestCaseList { test_cases, .. } = document(&list.stdout)?;
    let reasons: Vec<String> = test_cases
        .into_iter()
        .filter_map(|case| case.bad_text)
        .collect();
    assert_eq!(reasons.len(), wrong.len());
    for (reason, wrong) in reasons.iter().zip(wrong) {
        ensure!(reason.starts_with(wrong), "{reason}");
    }
    for selected in [
        "test --repeat 2",
        "test --repeat 2 open good textless *quoted",
    ] {
        let output = clone.run(&words(&format!("{selected} --lang rust --json x.json")))?;
        let good = "ok  2 of 2 passed";
        let counts = "\n2 passed, 3 failed, 0 skipped\n";
        let position =
            "\nmodules/lessons/open/README.md:4: open (rust): the text cannot be tested: ";
        output.expect(1, &[good, counts, position])?;
        let SuiteDocument { runs, .. } = document(&std::fs::read_to_string(clone.path("x.json"))?)?;
        let count = |verdict: &str| runs.iter().filter(|run| run.verdict == verdict).count();
        assert_eq!((count("pass"), count("bad-text")), (2, 3));
    }
    // Without a test case for a guest, nothing is built.
    let alone = run(clone
        .xtask(&words("test --lang rust textless"))
        .env("KMODLAB_CACHE", clone.path("cache")))?;
    alone.expect(1, &["\n0 passed, 1 failed, 0 skipped\n"])?;
    ensure!(!clone.path("cache/sources").exists(), "{}", alone.printed());
    clone
        .run(&["build"])?
        .expect(1, &["good.ko", "error: modules/lessons/open/README.md:4: "])?;
    clone
        .run(&words("qemu --dry-run"))?
        .expect(0, &["the guest does not have textless\n"])?;
    clone
        .run(&words("qemu --dry-run open"))?
        .expect(1, &["error: modules/lessons/open/README.md:4: "])
}

#[test]
fn an_unknown_name_is_reported_with_the_known_names() -> Result<()> {
    let clone = TestClone::probe("$ true\n")?;
    let run = |args: &[&str]| clone.run(args);
    run(&["test", "prob"])?.expect(2, &["prob", "probe"])?;
    run(&["qemu", "nothing"])?.expect(2, &["nothing", "probe"])?;
    run(&["build", "--kernel", "5.4"])?.expect(2, &["5.4", "6.7.9", "6.12"])
}

#[test]
fn each_language_has_its_own_guest() -> Result<()> {
    let console = "$ insmod probe.ko\n$ dmesg | grep -c 'this is C'\n1\n$ rmmod probe\n";
    let clone = with_twin(TWIN, console)?;
    clone.run(&["test"])?.expect(
        1,
        &[
            "probe (rust)  FAILED",
            "probe (c)     ok",
            "\n1 passed, 1 failed, 0 skipped\n",
        ],
    )?;
    clone
        .run(&["test", "--lang", "c"])?
        .expect(0, &["probe (c)  ok", "\n1 passed, 0 failed, 0 skipped\n"])
}

#[test]
fn a_missing_twin_is_skipped_unless_it_was_requested() -> Result<()> {
    let clone = TestClone::probe("$ true\n")?;
    let reason = "no C twin: modules/lessons/probe/c/probe.c does not exist";
    clone.run(&["test", "probe"])?.expect(
        0,
        &[
            "probe (rust)  ok",
            "probe (c)     --",
            reason,
            "\n1 passed, 0 failed, 1 skipped\n",
        ],
    )?;
    for command in ["test", "qemu"] {
        clone
            .run(&[command, "--lang", "c", "probe"])?
            .expect(2, &[reason])?;
    }
    Ok(())
}

#[test]
fn a_twin_that_does_not_compile_is_the_lessons_failure() -> Result<()> {
    let twin = TWIN.replace("return 0;", "return nothing;");
    let clone = with_twin(&twin, "$ true\n")?;
    clone.run(&["test", "--lang", "c"])?.expect(
        1,
        &[
            "does not compile",
            "\nmodules/lessons/probe/c/probe.c:7:9: error:",
            "nothing",
        ],
    )
}

/// Starts a test that never ends, waits until its guest runs, sends `signal` to
/// xtask, and waits until QEMU has output.
fn ends_with_xtask(signal: Signal) -> Result<Option<i32>> {
    let clone = TestClone::probe("$ while :; do :; done\n")?;
    // So that QEMU is the first tool that xtask starts.
    clone.xtask(&["build"]).output()?;
    let (terminal, writer) = std::io::pipe()?;
    let mut xtask = clone
        .xtask(&["test", "probe"])
        .stdout(Stdio::null())
        .stderr(writer)
        .process_group(0)
        .spawn()?;
    let qemu = wait_for("QEMU", || {
        named(&processes_below(xtask.id()), "qemu-system")
    })?;
    // As if the terminal were closed: nothing reads xtask's last messages.
    drop(terminal);
    kill(xtask.id(), signal)?;
    let status = xtask.wait()?;
    wait_for("the end of QEMU", || (!alive(qemu)).then_some(()))?;
    Ok(status.code())
}

#[test]
fn qemu_ends_with_an_interrupted_xtask() -> Result<()> {
    assert_eq!(ends_with_xtask(Signal::INT)?, Some(130));
    Ok(())
}

#[test]
fn qemu_ends_with_an_xtask_whose_terminal_is_closed() -> Result<()> {
    assert_eq!(ends_with_xtask(Signal::HUP)?, Some(130));
    Ok(())
}

#[test]
fn qemu_ends_with_a_killed_xtask() -> Result<()> {
    assert_eq!(ends_with_xtask(Signal::KILL)?, None);
    Ok(())
}
