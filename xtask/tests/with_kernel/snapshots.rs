//! Snapshots: the memory and state of a booted guest, from which runs resume.

use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::{Context as _, Result, bail, ensure};

use crate::lab::{TestClone, XtaskOutput, cache_without_snapshots, fake_qemu, run};

/// A clone whose lessons have other texts, and a private cache that has all builds
/// but no snapshot.
struct Lab {
    clone: TestClone,
}

impl Lab {
    /// Makes a clone with these of the real lessons, and these console blocks.
    fn new(lessons: &[(&str, &str)]) -> Result<Self> {
        let clone = TestClone::with_texts(lessons)?;
        // Builds into the shared cache.
        clone.run(&["build"])?.expect(0, &[])?;
        let lab = Self { clone };
        cache_without_snapshots(&lab.cache())?;
        Ok(lab)
    }

    fn cache(&self) -> PathBuf {
        self.clone.path("cache")
    }

    /// Runs `xtask test` with more `args`, one guest after the other.
    fn test(&self, args: &[&str]) -> Result<XtaskOutput> {
        self.test_with(args, &std::env::var("PATH")?)
    }

    /// Does the same with this PATH.
    fn test_with(&self, args: &[&str], path: &str) -> Result<XtaskOutput> {
        let args = [&["test", "--lang", "c", "--jobs", "1"], args].concat();
        let mut xtask = self.clone.xtask(&args);
        run(xtask.env("KMODLAB_CACHE", self.cache()).env("PATH", path))
    }

    /// Returns a PATH in which QEMU is a script that runs this first.
    fn qemu_after(&self, script: &str) -> Result<String> {
        fake_qemu(&self.clone.path("bin"), script)
    }

    /// Returns the folders of the snapshots in the cache.
    fn snapshots(&self) -> Result<Vec<PathBuf>> {
        let mut guests = Vec::new();
        for guest in std::fs::read_dir(self.cache().join("guests"))? {
            guests.push(guest?.path());
        }
        guests.retain(|guest| guest.is_dir());
        guests.sort();
        Ok(guests)
    }

    /// Returns the log of a lesson's last run: the kernel's and the shell's output.
    fn log(&self, lesson: &str) -> Result<Vec<u8>> {
        for log in std::fs::read_dir(self.cache().join("logs"))? {
            let log = log?;
            let name = log.file_name().to_string_lossy().into_owned();
            if name.starts_with(&format!("{lesson}-c-")) {
                return Ok(std::fs::read(log.path())?);
            }
        }
        bail!("{lesson} has no log")
    }
}

/// Commands that leave behind all that a lesson can leave in a guest.
const LEAVES: &str = "\
$ insmod completion_stop.ko
$ echo here | tee /root/left /tmp/left /etc/left > /dev/null
$ hostname left; mkdir /dev/left; echo 7 > /proc/sys/kernel/panic
$ echo left > /dev/kmsg
";

/// Commands that find none of it.
const FINDS_NOTHING: &str = "\
$ ls /root
kthread_create.ko
$ ls /root/left /tmp/left /etc/left /dev/left 2> /dev/null
? 1
$ hostname; cat /proc/sys/kernel/panic /proc/modules
kmodlab
-1
$ dmesg
";

#[test]
fn nothing_of_one_lesson_reaches_another() -> Result<()> {
    let lab = Lab::new(&[
        ("completion_stop", LEAVES),
        ("kthread_create", FINDS_NOTHING),
    ])?;
    for _ in 0..2 {
        lab.test(&[])?.expect(
            1,
            &[
                "completion_stop (c)  FAILED",
                "the module completion_stop is still loaded",
                "kthread_create (c)   ok",
            ],
        )?;
    }
    Ok(())
}

/// Commands with two threads that take turns on two CPUs, and much output.
const BUSY: &str = "\
$ count() { i=0; while [ $i -lt 300 ]; do i=$((i + 1)); done; }
$ count & count & wait
$ insmod thread_drv.ko && sleep 3 && rmmod thread_drv
$ cat /proc/[0-9]*/stat > /tmp/stat; grep -c . /tmp/stat
[..]
$ dmesg
...
";

#[test]
fn runs_of_one_lesson_have_equal_logs_to_the_byte() -> Result<()> {
    let lab = Lab::new(&[("thread_drv", BUSY)])?;
    lab.test(&[])?.expect(0, &["1 passed"])?;
    let first = lab.log("thread_drv")?;
    ensure!(first.len() > 10_000, "that is no log");
    for again in 0..6 {
        lab.test(&[])?.expect(0, &["1 passed"])?;
        let log = lab.log("thread_drv")?;
        let lines = |log: &[u8]| -> Vec<String> {
            let text = String::from_utf8_lossy(log);
            text.lines().map(str::to_owned).collect()
        };
        let (old, new) = (lines(&first), lines(&log));
        let differs = old.iter().zip(&new).position(|(old, new)| old != new);
        if let Some(line) = differs {
            bail!("run {again}, line {line}: {} was {}", new[line], old[line]);
        }
        ensure!(log == first, "run {again} has another length");
    }
    Ok(())
}

/// Two processes that load the host's CPUs.
struct Busy([Child; 2]);

impl Busy {
    fn new() -> Result<Self> {
        let start = || {
            Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .spawn()
        };
        Ok(Self([start()?, start()?]))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for process in &mut self.0 {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Checks both kinds of snapshot: the one that all lessons start from, and the one
/// that is taken right before a lesson with schedules. Equal snapshots give a seed the
/// same meaning on every host.
#[test]
#[ignore = "takes minutes; ci/nightly runs it"]
fn snapshots_taken_again_are_equal() -> Result<()> {
    const PAGE: usize = 4096;
    let lab = Lab::new(&[("thread_drv", BUSY)])?;
    let taken = |args: &[&str], count: usize| -> Result<(Vec<Vec<u8>>, Vec<u8>)> {
        let output = lab.test(args)?;
        output.expect(0, &["1 passed"])?;
        ensure!(!output.printed().contains("never the same twice"));
        let guests = lab.snapshots()?;
        ensure!(guests.len() == count, "{guests:?}");
        let memory = |guest: &PathBuf| std::fs::read(guest.join("memory"));
        let memories = guests.iter().map(memory).collect::<Result<_, _>>()?;
        for guest in guests {
            std::fs::remove_dir_all(guest)?;
        }
        Ok((memories, lab.log("thread_drv")?))
    };
    for (args, count) in [(&[][..], 1), (&["--seed", "11"], 2)] {
        let (memories, log) = taken(args, count)?;
        for again in 0..2 {
            let busy = (again == 1).then(Busy::new).transpose()?;
            let (others, other_log) = taken(args, count)?;
            drop(busy);
            for (guest, (memory, other)) in memories.iter().zip(&others).enumerate() {
                let pages = memory.chunks(PAGE).zip(other.chunks(PAGE)).enumerate();
                // QEMU leaves bytes of its own stack in the second page.
                let differ = pages.filter(|(page, (one, other))| *page != 1 && one != other);
                let differ: Vec<usize> = differ.map(|(page, _)| page).collect();
                ensure!(
                    differ.is_empty() && memory.len() == other.len(),
                    "{args:?}, guest {guest}, the {again}th again: {} pages differ: {:?}",
                    differ.len(),
                    differ.get(..100).unwrap_or(&differ)
                );
            }
            ensure!(log == other_log, "guest {again}: the log differs");
        }
    }
    Ok(())
}

#[test]
fn guests_that_boot_have_the_same_verdicts() -> Result<()> {
    let lab = Lab::new(&[
        ("completion_stop", LEAVES),
        ("kthread_create", FINDS_NOTHING),
    ])?;
    lab.test(&["--cold"])?.expect(
        1,
        &[
            "completion_stop (c)  FAILED",
            "the module completion_stop is still loaded",
            "kthread_create (c)   ok",
        ],
    )?;
    ensure!(
        !lab.cache().join("guests").exists(),
        "a snapshot was taken in vain"
    );
    Ok(())
}

#[test]
#[ignore = "takes minutes; ci/nightly runs it"]
fn a_broken_snapshot_is_taken_anew() -> Result<()> {
    let lab = Lab::new(&[("thread_drv", BUSY)])?;
    // The run resumes from the last of the snapshots.
    for args in [&[][..], &["--seed", "1"]] {
        lab.test(args)?.expect(0, &["1 passed"])?;
        let guest = lab.snapshots()?.pop().context("there is no snapshot")?;
        std::fs::write(guest.join("state"), "nonsense")?;
        lab.test(args)?
            .expect(0, &["1 passed", "state has 8 bytes instead of "])?;
        let again = lab.test(args)?;
        again.expect(0, &["1 passed"])?;
        let printed = again.printed();
        ensure!(
            !printed.contains("the cache was damaged"),
            "it was not made anew\n{printed}"
        );
    }
    Ok(())
}

#[test]
fn without_snapshots_each_guest_boots() -> Result<()> {
    let lab = Lab::new(&[("kthread_create", FINDS_NOTHING)])?;
    let refuses = "case $* in *memory-backend-file*) echo no backend >&2; exit 1;; esac";
    let qemu = lab.qemu_after(refuses)?;
    lab.test_with(&[], &qemu)?.expect(
        0,
        &[
            "1 passed",
            "every test case boots its own guest",
            "no backend",
        ],
    )
}

#[test]
#[ignore = "ci/nightly runs it"]
fn another_qemu_has_another_snapshot() -> Result<()> {
    let lab = Lab::new(&[("kthread_create", FINDS_NOTHING)])?;
    lab.test(&[])?.expect(0, &["1 passed"])?;
    let qemu =
        lab.qemu_after("[ \"$1\" = --version ] && echo QEMU emulator version 7.2.99 && exit")?;
    lab.test_with(&[], &qemu)?.expect(0, &["1 passed"])?;
    assert_eq!(lab.snapshots()?.len(), 2);
    Ok(())
}

#[test]
fn a_lesson_that_exceeds_the_device_boots_a_guest() -> Result<()> {
    // Pseudo-random hexadecimal digits: compression at best halves them.
    let mut state = 1_u64;
    let mut digits = String::new();
    while digits.len() < 400 << 10 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        digits += &format!("{state:016x}");
    }
    let lab = Lab::new(&[(
        "kthread_create",
        &format!("$ : {digits}\n$ echo here\nhere\n"),
    )])?;
    lab.test(&[])?.expect(0, &["1 passed"])
}
