//! Test cases that must end in the same way in virtual and in real time.
//!
//! Each case is one test per clock: `clocks::virtual_time::NAME` and
//! `clocks::real_time::NAME`.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::lab::TestClone;

/// How time passes in a guest, as `--time` has it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Time {
    Virtual,
    Real,
}

/// Longest wall time of a case: a boot under load, and the end of a dead guest.
const SOON: Duration = Duration::from_secs(45);

/// Runs a lesson with this console block in Rust, and checks xtask's exit status
/// and that all of `parts` are printed.
fn check(time: Time, console: &str, status: i32, parts: &[&str]) -> Result<()> {
    let clone = TestClone::probe(console)?;
    let time = match time {
        Time::Virtual => "virtual",
        Time::Real => "real",
    };
    let started = Instant::now();
    let output = clone.run(&["test", "--time", time, "--lang", "rust"])?;
    output.expect(status, parts)?;
    let wall = started.elapsed();
    ensure!(wall < SOON, "{wall:?}\n{}", output.printed());
    Ok(())
}

/// Declares a test per clock for each function, which gets the clock.
macro_rules! with_both_clocks {
    ($($case:ident)*) => {
        mod virtual_time {
            $(#[test]
            fn $case() -> anyhow::Result<()> {
                super::$case(super::Time::Virtual)
            })*
        }
        mod real_time {
            $(#[test]
            fn $case() -> anyhow::Result<()> {
                super::$case(super::Time::Real)
            })*
        }
    };
}

with_both_clocks! {
    a_module_that_is_loaded_and_removed_passes
    output_belongs_to_its_command_whatever_both_are
    a_difference_is_a_mismatch
    a_panic_ends_the_run
    a_kernel_that_stops_without_a_reset_ends_the_run
    a_reset_ends_the_run
    a_killed_shell_ends_the_run
    a_module_that_stays_is_left_over
}

fn a_module_that_is_loaded_and_removed_passes(time: Time) -> Result<()> {
    check(
        time,
        "$ insmod probe.ko\n$ lsmod | grep -c probe\n1\n$ rmmod probe\n",
        0,
        &["\n1 passed, 0 failed, 0 skipped\n"],
    )
}

fn output_belongs_to_its_command_whatever_both_are(time: Time) -> Result<()> {
    // Kernel messages while a command prints; a command that reads its input;
    // control characters; lines that look like kmodlab's own; a long line.
    let long = "x".repeat(9000);
    let console = format!(
        "$ insmod probe.ko; lsmod | grep -c probe; rmmod probe\n1\n\
         $ for i in 1 2 3 4 5; do echo clutter >/dev/kmsg; printf 'a'; done; echo\naaaaa\n\
         $ cat; read line; echo $?\n1\n\
         $ cat <<END\n> one\n>\n> .\n> >two\\\n> \t$HOME\n> END\none\n\n.\n>two\t/root\n\
         $ printf 'no line end'\nno line end\n\
         $ (sleep 0.2; echo late) & echo early; wait\nearly\nlate\n\
         $ printf '\\004\\003\\032\\026' | od -An -c\n 004 003 032 026\n\
         $ echo '\u{3}\u{4}\u{16}\u{1a}\u{7f}' | wc -c\n6\n\
         $ echo {long} | wc -c\n9001\n\
         $ head -c 100000 /dev/zero | tr '\\0' y | wc -c\n100000\n\
         $ return 3\n? 3\n\
         $ echo $?; variable=kept; cd /tmp\n3\n\
         $ echo $variable; pwd\nkept\n/tmp\n\
         $ dmesg -c >/dev/null; echo a >/dev/kmsg; sleep 1; echo b >/dev/kmsg; dmesg\n\
         [..] a\n[+1.0s] b\n\
         $ echo forged >/dev/vport0p1\n? 1\n[..]Device or resource busy\n"
    );
    check(time, &console, 0, &["1 passed, 0 failed"])
}

fn a_difference_is_a_mismatch(time: Time) -> Result<()> {
    check(
        time,
        "$ echo one\nuno\n",
        1,
        &[
            "mismatch",
            "modules/lessons/probe/README.md:4",
            "echo one",
            "uno",
            "cargo xtask qemu probe",
            "\n0 passed, 1 failed, 0 skipped\n",
        ],
    )
}

fn a_panic_ends_the_run(time: Time) -> Result<()> {
    let console = "$ echo c > /proc/sysrq-trigger\n";
    check(time, console, 1, &["panic", "sysrq"])
}

fn a_kernel_that_stops_without_a_reset_ends_the_run(time: Time) -> Result<()> {
    let console = "$ echo 0 > /proc/sys/kernel/panic\n$ echo c > /proc/sysrq-trigger\n";
    check(time, console, 1, &["panic", "sysrq"])
}

fn a_reset_ends_the_run(time: Time) -> Result<()> {
    let console = "$ true\n$ reboot -f\n";
    check(time, console, 1, &["guest-lost", "reboot -f"])
}

fn a_killed_shell_ends_the_run(time: Time) -> Result<()> {
    let console = "$ true\n$ kill -9 $$\n";
    check(time, console, 1, &["shell-lost", "kill -9 $$"])
}

fn a_module_that_stays_is_left_over(time: Time) -> Result<()> {
    check(time, "$ insmod probe.ko\n", 1, &["left", "probe"])
}
