//! Guests in real time that are typed at: what a lesson may do to the console,
//! and how soon a guest that is dead is known to be.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use xtask::kernel::Profile;
use xtask::kernel::source::SourceRequest;
use xtask::lesson::transcript::{self, Transcript};
use xtask::lesson::{record, script};
use xtask::pipeline::{self, Prepared};
use xtask::play;
use xtask::session::Session;
use xtask::vm::{self, Accel, Clock, Console, Events, GuestEnd, Machine, Start, Talk, TypedRun};

use crate::lab::{Clone, alive, kill, named, processes_below, wait_for};

/// A boot under load, and all that comes after it but the time under test.
const SOON: Duration = Duration::from_secs(45);

fn plays(console: &str, status: i32, parts: &[&str]) -> Result<()> {
    let clone = Clone::probe(console)?;
    let started = Instant::now();
    let ended = clone.run(&["test", "--time", "real", "--lang", "rust"])?;
    ended.expect(status, parts)?;
    let wall = started.elapsed();
    ensure!(wall < SOON, "{wall:?}\n{}", ended.printed());
    Ok(())
}

#[test]
fn whatever_a_command_is_it_is_typed_and_its_answer_is_its_own() -> Result<()> {
    // Kernel messages while it prints; a command that reads what is typed, if
    // it may; control characters; lines that look like ours; a long line.
    let long = "x".repeat(9000);
    let console = format!(
        "$ insmod probe.ko; lsmod | grep -c probe; rmmod probe\n1\n\
         $ for i in 1 2 3 4 5; do echo noise >/dev/kmsg; printf 'a'; done; echo\naaaaa\n\
         $ cat; read line; echo $?\n1\n\
         $ cat <<END\n> one\n>\n> .\n> >two\\\n> \t$HOME\n> END\none\n\n.\n>two\t/root\n\
         $ printf 'no line end'\nno line end\n\
         $ (sleep 0.2; echo late) & echo early; wait\nearly\nlate\n\
         $ printf '\\004\\003\\032\\026' | od -An -c\n 004 003 032 026\n\
         $ echo '\u{3}\u{4}\u{16}\u{1a}\u{7f}' | wc -c\n6\n\
         $ echo kmodlab-0 step type 7 0 1.00\nkmodlab-0 step type 7 0 1.00\n\
         $ echo {long} | wc -c\n9001\n\
         $ head -c 100000 /dev/zero | tr '\\0' y | wc -c\n100000\n\
         $ return 3\n? 3\n\
         $ echo $?; variable=kept; cd /tmp\n3\n\
         $ echo $variable; pwd\nkept\n/tmp\n\
         $ stty -F /dev/hvc0 echo; sleep 1\n\
         $ stty -F /dev/hvc0 -echo; echo not the echo\n[..]not the echo\n\
         $ dmesg -c >/dev/null; echo a >/dev/kmsg; sleep 1; echo b >/dev/kmsg; dmesg\n\
         [..] a\n[+1.0s] b\n"
    );
    plays(&console, 0, &["1 passed, 0 failed"])
}

#[test]
fn a_difference_is_a_difference() -> Result<()> {
    plays(
        "$ echo one\nuno\n",
        1,
        &["mismatch", "uno", "0 passed, 1 failed"],
    )
}

#[test]
fn a_panic_ends_the_wait() -> Result<()> {
    plays("$ echo c > /proc/sysrq-trigger\n", 1, &["panic", "sysrq"])
}

#[test]
fn a_kernel_that_stops_and_stays_ends_the_wait() -> Result<()> {
    plays(
        "$ echo 0 > /proc/sys/kernel/panic\n$ echo c > /proc/sysrq-trigger\n",
        1,
        &["panic", "sysrq"],
    )
}

#[test]
fn a_guest_that_resets_ends_the_wait() -> Result<()> {
    plays("$ true\n$ reboot -f\n", 1, &["guest-lost", "reboot -f"])
}

#[test]
fn a_shell_that_is_killed_ends_the_wait() -> Result<()> {
    plays("$ true\n$ kill -9 $$\n", 1, &["shell-lost", "kill -9 $$"])
}

#[test]
fn a_qemu_that_is_killed_is_no_lessons_fault() -> Result<()> {
    let clone = Clone::probe("$ sleep 1000\n")?;
    clone.run(&["build"])?.expect(0, &[])?;
    let xtask = clone
        .xtask(&["test", "--time", "real", "--lang", "rust"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let qemu = wait_for("QEMU", || {
        named(&processes_below(xtask.id()), "qemu-system")
    })?;
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
    ensure!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    Ok(())
}

fn prepared() -> Result<Prepared> {
    let session = Session::new(false, false, None)?;
    let wanted = SourceRequest {
        kernel: None,
        source: None,
    };
    pipeline::prepare(&session, &wanted, Profile::Teaching, &[], &[])
}

fn one_command(command: &str) -> Result<Transcript> {
    let text = format!("```console\n$ {command}\n```\n");
    transcript::parse(&text, Path::new("README.md"))
}

/// Runs a guest that is sent to sleep, with a limit of `limit` seconds; `begun`
/// is told the guest's folder before there is a QEMU.
fn sleeps(prepared: &Prepared, limit: u32, begun: impl FnOnce(PathBuf)) -> Result<TypedRun> {
    let (files, exchanges) = script::compile_typed(&one_command("sleep 1000")?, "N0", 600);
    let Prepared {
        toolchain,
        kernel,
        initramfs,
        ..
    } = prepared;
    let talk = Talk {
        exchanges: &exchanges,
        heard: &mut |_| (),
    };
    vm::run_typed(toolchain, kernel, limit, talk, |folder| {
        begun(folder.to_owned());
        let initrd = folder.join("initrd");
        initramfs.with(&files, &initrd)?;
        Ok(Machine {
            clock: Clock::Real(Accel::Tcg),
            console: Console::Sockets {
                folder: folder.to_owned(),
            },
            initrd,
            smp: 2,
            memory: 256,
            kernel_words: Vec::new(),
            events: Events::Live,
            gdb: None,
            start: Start::Boot,
        })
    })
}

#[test]
fn a_guest_that_hangs_ends_at_its_limit() -> Result<()> {
    let prepared = prepared()?;
    let TypedRun { run, .. } = sleeps(&prepared, 8, drop)?;
    let GuestEnd::OutOfTime { guest_seconds } = run.end else {
        anyhow::bail!("{:?}", run.end);
    };
    ensure!((8.0..12.0).contains(&guest_seconds), "{guest_seconds}");
    Ok(())
}

#[test]
fn a_qemu_that_answers_no_more_ends_at_the_limit_too() -> Result<()> {
    let prepared = prepared()?;
    let (begun, folder) = channel::<PathBuf>();
    let stopper = std::thread::spawn(move || -> Result<u32> {
        let folder = folder.recv()?.display().to_string();
        // Other tests' guests are below this process too.
        let qemu = wait_for("QEMU", || {
            let mut own = processes_below(std::process::id());
            own.retain(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|command| command.contains(&folder))
            });
            named(&own, "qemu-system")
        })?;
        kill(qemu, Signal::STOP)?;
        Ok(qemu)
    });
    let TypedRun { run, .. } = sleeps(&prepared, 3, |folder| {
        let _ = begun.send(folder);
    })?;
    let qemu = stopper
        .join()
        .map_err(|_| anyhow::anyhow!("the stopper"))??;
    ensure!(!alive(qemu), "QEMU is left");
    ensure!(run.end == GuestEnd::Stuck, "{:?}", run.end);
    Ok(())
}

#[test]
fn kvm_that_is_not_there_is_no_lessons_fault_and_known_at_once() -> Result<()> {
    let prepared = prepared()?;
    let started = Instant::now();
    let (nonce, TypedRun { run, .. }) =
        play::typed(&prepared, &one_command("true")?, Vec::new(), Accel::Kvm)?;
    match run.end {
        // Here it is there.
        GuestEnd::Ended => ensure!(record::read(&nonce, &run.console).ended),
        GuestEnd::QemuFailed { status, stderr } => eprintln!("{status}: {stderr}"),
        end => anyhow::bail!("{end:?}"),
    }
    ensure!(started.elapsed() < SOON, "{:?}", started.elapsed());
    Ok(())
}
