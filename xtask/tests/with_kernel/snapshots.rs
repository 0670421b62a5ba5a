//! Lessons that start from a guest which was saved when it had booted.

use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::{Context as _, Result, bail, ensure};
use xtask::cache::Cache;

use crate::lab::{TestClone, XtaskOutput, fake_qemu, run};

/// A clone whose lessons have other texts, and a cache of its own that has all
/// that was built but no saved guest.
struct Lab {
    clone: TestClone,
}

impl Lab {
    /// With these lessons of the real clone, and these console blocks.
    fn new(lessons: &[(&str, &str)]) -> Result<Self> {
        let clone = TestClone::with_texts(lessons)?;
        // What is missing is built where everybody finds it.
        clone.run(&["build"])?.expect(0, &[])?;
        let lab = Self { clone };
        let cache = lab.cache();
        std::fs::create_dir(&cache)?;
        for entry in std::fs::read_dir(Cache::from_env()?.root())? {
            let entry = entry?;
            let own = ["guests", "logs", "locks", "staging"];
            if !own.iter().any(|own| entry.file_name() == *own) {
                std::os::unix::fs::symlink(entry.path(), cache.join(entry.file_name()))?;
            }
        }
        Ok(lab)
    }

    fn cache(&self) -> PathBuf {
        self.clone.path("cache")
    }

    /// `xtask test` with more `args`, one guest after the other.
    fn test(&self, args: &[&str]) -> Result<XtaskOutput> {
        self.test_with(args, &std::env::var("PATH")?)
    }

    /// The same, with this PATH.
    fn test_with(&self, args: &[&str], path: &str) -> Result<XtaskOutput> {
        let args = [&["test", "--lang", "c", "--jobs", "1"], args].concat();
        let mut xtask = self.clone.xtask(&args);
        run(xtask.env("KMODLAB_CACHE", self.cache()).env("PATH", path))
    }

    /// A PATH in which QEMU is a script that runs this first.
    fn qemu_after(&self, script: &str) -> Result<String> {
        fake_qemu(&self.clone.path("bin"), script)
    }

    /// The saved guests in the cache.
    fn guests(&self) -> Result<Vec<PathBuf>> {
        let mut guests = Vec::new();
        for guest in std::fs::read_dir(self.cache().join("guests"))? {
            guests.push(guest?.path());
        }
        guests.sort();
        Ok(guests)
    }

    /// All that the guest of a lesson said in the last run.
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

/// Leaves all that a lesson can leave in a guest.
const LEAVES: &str = "\
$ insmod completion_stop.ko
$ echo here | tee /root/left /tmp/left /etc/left > /dev/null
$ hostname left; mkdir /dev/left; echo 7 > /proc/sys/kernel/panic
$ echo left > /dev/kmsg
";

/// Finds none of it.
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

/// Two threads that take turns on two CPUs, and much that is printed.
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
fn the_same_lesson_says_the_same_to_the_byte() -> Result<()> {
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

/// Two processes that keep the host busy.
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

/// So a seed means the same elsewhere: the guest that all lessons start from, and the
/// one in which a lesson of many schedules is about to begin.
#[test]
fn guests_that_are_saved_anew_are_the_same() -> Result<()> {
    const PAGE: usize = 4096;
    let lab = Lab::new(&[("thread_drv", BUSY)])?;
    let saved = |args: &[&str], count: usize| -> Result<(Vec<Vec<u8>>, Vec<u8>)> {
        let ended = lab.test(args)?;
        ended.expect(0, &["1 passed"])?;
        ensure!(!ended.printed().contains("never the same twice"));
        let guests = lab.guests()?;
        ensure!(guests.len() == count, "{guests:?}");
        let memory = |guest: &PathBuf| std::fs::read(guest.join("memory"));
        let memories = guests.iter().map(memory).collect::<Result<_, _>>()?;
        for guest in guests {
            std::fs::remove_dir_all(guest)?;
        }
        Ok((memories, lab.log("thread_drv")?))
    };
    for (args, count) in [(&[][..], 1), (&["--seed", "11"], 2)] {
        let (memories, log) = saved(args, count)?;
        for again in 0..2 {
            let busy = (again == 1).then(Busy::new).transpose()?;
            let (others, other_log) = saved(args, count)?;
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
fn a_guest_that_boots_comes_to_the_same_verdicts() -> Result<()> {
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
        "a guest was saved in vain"
    );
    Ok(())
}

#[test]
fn a_saved_guest_that_is_broken_is_made_anew() -> Result<()> {
    let lab = Lab::new(&[("thread_drv", BUSY)])?;
    // The last of the guests is the one that this run starts from.
    for args in [&[][..], &["--seed", "1"]] {
        lab.test(args)?.expect(0, &["1 passed"])?;
        let guest = lab.guests()?.pop().context("there is no saved guest")?;
        std::fs::write(guest.join("state"), "nonsense")?;
        lab.test(args)?
            .expect(0, &["1 passed", "lessons boot guests of their own"])?;
        let again = lab.test(args)?;
        again.expect(0, &["1 passed"])?;
        let printed = again.printed();
        ensure!(
            !printed.contains("of their own"),
            "it was not made anew\n{printed}"
        );
    }
    Ok(())
}

#[test]
fn a_qemu_that_saves_no_guest_boots_each() -> Result<()> {
    let lab = Lab::new(&[("kthread_create", FINDS_NOTHING)])?;
    let refuses = "case $* in *memory-backend-file*) echo no backend >&2; exit 1;; esac";
    let qemu = lab.qemu_after(refuses)?;
    lab.test_with(&[], &qemu)?.expect(
        0,
        &["1 passed", "every lesson boots its own guest", "no backend"],
    )
}

#[test]
fn another_qemu_saves_another_guest() -> Result<()> {
    let lab = Lab::new(&[("kthread_create", FINDS_NOTHING)])?;
    lab.test(&[])?.expect(0, &["1 passed"])?;
    let qemu =
        lab.qemu_after("[ \"$1\" = --version ] && echo QEMU emulator version 7.2.99 && exit")?;
    lab.test_with(&[], &qemu)?.expect(0, &["1 passed"])?;
    assert_eq!(lab.guests()?.len(), 2);
    Ok(())
}

#[test]
fn a_lesson_with_no_room_in_the_device_boots_a_guest() -> Result<()> {
    // Digits that no compression makes fewer than their number's half.
    let mut state = 1_u64;
    let mut noise = String::new();
    while noise.len() < 400 << 10 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise += &format!("{state:016x}");
    }
    let lab = Lab::new(&[(
        "kthread_create",
        &format!("$ : {noise}\n$ echo here\nhere\n"),
    )])?;
    lab.test(&[])?.expect(0, &["1 passed"])
}
