//! Guests in real time (`--time real`): how soon xtask notices that a guest or
//! its QEMU is dead. The cases that both clocks share are in `clocks`.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;

use xtask::kernel::Configuration;
use xtask::kernel::source::SourceRequest;
use xtask::lesson::judge::Evidence;
use xtask::lesson::transcript::{StatedLimit, Step, Transcript};
use xtask::run::{GuestKind, GuestSettings, Prepared, SuiteNeeds};
use xtask::session::Session;
use xtask::vm::{Accel, GuestEnd, Interruption};

use crate::lab::{TestClone, alive, kill, named, processes_below, text, wait_for};

/// Seconds that xtask grants a guest beyond the limit of its lesson.
const GRACE: Duration = Duration::from_secs(60);

/// Longest wall time of a boot under load, and of all besides the time under test.
const SOON: Duration = Duration::from_secs(45);

const TEST: [&str; 5] = ["test", "--time", "real", "--lang", "rust"];

/// Starts a test in real time, and waits until its QEMU runs.
fn start(clone: &TestClone) -> Result<(Child, u32)> {
    clone.run(&["build"])?.expect(0, &[])?;
    let xtask = clone
        .xtask(&TEST)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let qemu = wait_for("QEMU", || {
        named(&processes_below(xtask.id()), "qemu-system")
    })?;
    Ok((xtask, qemu))
}

#[test]
fn a_killed_qemu_is_not_the_lessons_fault() -> Result<()> {
    let (xtask, qemu) = start(&TestClone::probe("$ sleep 1000\n")?)?;
    let started = Instant::now();
    kill(qemu, Signal::KILL)?;
    let output = xtask.wait_with_output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.code() == Some(69),
        "{}\n{printed}",
        output.status
    );
    ensure!(printed.contains("infrastructure"), "{printed}");
    let wall = started.elapsed();
    ensure!(wall < Duration::from_secs(10), "{wall:?}");
    Ok(())
}

#[test]
fn a_guest_that_stands_still_ends_at_its_limit() -> Result<()> {
    let clone = TestClone::with_tests(&["fails_all_deaf"])?;
    let console = text("fails_all_deaf", "$ insmod fails_all_deaf.ko\n");
    let console = console + "\n<!-- limit: 1 s -->\n";
    clone.write_lesson("fails_all_deaf", "README.md", &console)?;
    let started = Instant::now();
    let output = clone.run(&["test", "--time", "real", "--lang", "c"])?;
    output.expect(1, &["  hang: ", "$ insmod fails_all_deaf.ko"])?;
    let wall = started.elapsed();
    ensure!(wall < GRACE + SOON, "{wall:?}");
    Ok(())
}

#[test]
fn a_qemu_that_does_not_answer_ends_at_the_limit() -> Result<()> {
    let clone = TestClone::probe("$ sleep 1000\n")?;
    let text = text("probe", "$ sleep 1000\n") + "\n<!-- limit: 1 s -->\n";
    clone.write_lesson("probe", "README.md", &text)?;
    let (xtask, qemu) = start(&clone)?;
    let started = Instant::now();
    kill(qemu, Signal::STOP)?;
    let output = xtask.wait_with_output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    ensure!(!alive(qemu), "QEMU is left");
    // The guest never began the lesson, which is not the lesson's fault.
    ensure!(output.status.code() == Some(69), "{printed}");
    ensure!(printed.contains("0 passed, 1 failed"), "{printed}");
    let wall = started.elapsed();
    ensure!(wall < GRACE + SOON, "{wall:?}");
    Ok(())
}

#[test]
fn kvm_that_runs_no_guest_is_reported_soon() -> Result<()> {
    let clone = TestClone::probe("$ true\n")?;
    clone.run(&["build"])?.expect(0, &[])?;
    let started = Instant::now();
    let output = clone.run(&["qemu", "--accel", "kvm", "--dry-run"])?;
    match output.status {
        // On this host, KVM runs guests.
        0 => output.expect(0, &["-accel kvm"])?,
        _ => output.expect(
            69,
            &[
                "KVM does not run guests on this host",
                "leave out --accel kvm",
            ],
        )?,
    }
    let wall = started.elapsed();
    ensure!(wall < SOON, "{wall:?}");
    Ok(())
}

#[test]
fn a_guest_under_a_kvm_that_cannot_run_it_ends_soon() -> Result<()> {
    const LIMIT: u16 = 30;
    let session = Session::new(false, false, None)?;
    let needs = SuiteNeeds {
        source: &SourceRequest::default(),
        configuration: &Configuration::default(),
        settings: &GuestSettings::default(),
        cases: &[],
        schedules: false,
        guests: GuestKind::Booted,
    };
    let prepared = Prepared::new(&session, needs)?;
    let step = Step {
        line: 1,
        command: "true".to_owned(),
        expected: Vec::new(),
        status: 0,
    };
    let transcript = Transcript {
        steps: vec![step],
        stated_limit: Some(StatedLimit::Text(LIMIT)),
    };
    let started = Instant::now();
    let runner = prepared.runner(&session);
    let (tagged, _) = runner.real_time(&transcript, Vec::new(), Accel::Kvm, &mut |_| ())?;
    let wall = started.elapsed();
    let run = &tagged.run;
    let lesson_started = Evidence::read(tagged.tag, run).lesson_started();
    // The detector that ends it depends on what KVM does with a guest that it cannot run: it reports
    // an error, it runs nothing, or it keeps a CPU busy in which no instruction is executed.
    match &run.end {
        // On this host, KVM runs guests.
        GuestEnd::Ended => ensure!(lesson_started),
        GuestEnd::QemuFailed { .. } | GuestEnd::Stuck => ensure!(!lesson_started),
        GuestEnd::OutOfTime { guest_seconds } => {
            ensure!(!lesson_started);
            ensure!(run.interruption == Some(Interruption::Uninterruptible));
            ensure!(*guest_seconds < f64::from(LIMIT), "{guest_seconds}");
        }
        end => anyhow::bail!("{end:?}"),
    }
    ensure!(wall < SOON, "{wall:?}");
    Ok(())
}
