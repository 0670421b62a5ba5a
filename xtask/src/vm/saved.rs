//! A guest that has booted, kept in the cache, and that lessons start from.
//!
//! Its memory is a file, and every guest that goes on from there maps it
//! privately: nothing is copied before it is written to, several guests share
//! what they only read, and nothing of one reaches another. The rest of its
//! state is some 50 KB.
//!
//! The guest itself says when it is to be saved: it writes to the device
//! pvpanic, and QEMU stops the CPU that does at that very instruction
//! (`-action panic=pause`). The rest is stopped when QEMU's main loop comes to
//! it. So the guest asks when no other CPU runs. While all CPUs wait, and one that
//! is stopped counts as one that waits, QEMU lets the clock jump on to the next
//! timer (`icount_start_warp_timer` in softmmu/icount.c): mostly it does so before
//! it stops the guest, and a guest in which it did not is booted again.
//!
//! So what is saved anew is the same, here and elsewhere, as long as the kernel,
//! the initramfs and QEMU are: a seed means the same. (But for what no guest sees:
//! bytes of QEMU's own stack that it leaves in the second page of the memory, and
//! the host's clocks in the state.)

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::lesson_device::LessonDevice;
use super::machine::{Console, Machine, Start};
use super::pulse::{Pulse, SAMPLE};
use super::running::{Running, Seen};
use crate::cache::remove;
use crate::kernel::KernelImage;
use crate::key::{Inputs, Key};
use crate::session::Session;
use crate::toolchain::Toolchain;
use crate::ui::Ui;

/// The recipe's number; a change of how a guest is saved changes it.
const KIND: &str = "saved guest 2";

/// A guest has so many seconds of its own time to ask to be saved.
const LIMIT: u32 = 60;

/// A guest is booted so often at the most. Its clock had jumped in 140 of 141 on
/// a quiet host, and in 8 of 22 on a busy one.
const TRIES: u32 = 20;

/// So many are kept, of some 50 MB each: one a kernel and profile and a few more.
const MOST: usize = 8;

/// One that was used within this time may be in use, by another xtask.
const REST: Duration = Duration::from_secs(3600);

/// A guest in the cache.
#[derive(Debug, Clone)]
pub struct SavedGuest {
    folder: PathBuf,
    /// True if it was in the cache.
    pub cached: bool,
    good: Arc<AtomicBool>,
}

impl SavedGuest {
    /// Boots `machine` until it asks to be saved, and keeps it, unless the
    /// cache has it. The machine's initramfs must be one from the cache.
    pub fn keep(
        session: &Session,
        toolchain: &Toolchain,
        kernel: &KernelImage,
        machine: &Machine,
    ) -> Result<Self> {
        let stage = session.ui.stage("saved guest");
        let key = key(toolchain, kernel, machine);
        let entry = session
            .cache
            .entry("guests", &kernel.label(), &key, |staging| {
                stage.begin("booting a guest for all lessons", 0);
                if !save(toolchain, kernel, machine, staging)? {
                    session.ui.note(
                        "the guest never came to rest when it was saved: a seed may do something \
                         else here than elsewhere",
                    );
                }
                Ok(())
            })?;
        if let Err(error) = session.cache.used(&entry.path, MOST, REST) {
            session.ui.note(format!("old saved guests stay: {error:#}"));
        }
        stage.done(entry.cached, format!("Linux {}", kernel.label()));
        Ok(Self {
            folder: entry.path,
            cached: entry.cached,
            good: Arc::new(AtomicBool::new(true)),
        })
    }

    /// The file that is its memory.
    pub fn memory(&self) -> PathBuf {
        memory(&self.folder)
    }

    /// Its state, all but its memory.
    pub fn state(&self) -> Result<Vec<u8>> {
        read(&state(&self.folder))
    }

    /// What its kernel had logged when it was saved.
    pub fn log(&self) -> Result<Vec<u8>> {
        read(&log(&self.folder))
    }

    /// What it had noted on its console when it was saved.
    pub fn console(&self) -> Result<Vec<u8>> {
        read(&console(&self.folder))
    }

    /// False once a guest has not gone on from here.
    pub fn is_good(&self) -> bool {
        self.good.load(Ordering::Relaxed)
    }

    /// No other guest tries to go on from here, neither in this run nor in the
    /// next: it is taken out of the cache. Says why, once.
    pub fn give_up(&self, ui: &Ui, why: &anyhow::Error) {
        if !self.good.swap(false, Ordering::Relaxed) {
            return;
        }
        ui.note(format!("lessons boot guests of their own: {why:#}"));
        // What cannot be removed is tried again by the next run.
        let _ = remove(&self.folder);
    }
}

fn memory(folder: &Path) -> PathBuf {
    folder.join("memory")
}

fn state(folder: &Path) -> PathBuf {
    folder.join("state")
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn console(folder: &Path) -> PathBuf {
    folder.join("console")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// All that goes into a saved guest: QEMU, and every word that it is told. The
/// kernel's and the initramfs's paths in the cache have their own keys.
fn key(toolchain: &Toolchain, kernel: &KernelImage, machine: &Machine) -> Key {
    let machine = Machine {
        console: Console::Recorded {
            log: PathBuf::from("log"),
            shell: PathBuf::from("shell"),
            debug: PathBuf::from("debug"),
            control: PathBuf::from("control"),
        },
        start: Start::Save {
            memory: PathBuf::from("memory"),
            lesson: LessonDevice::at(Path::new("")),
        },
        ..machine.clone()
    };
    let command = machine.command(toolchain, kernel).quoted();
    Inputs::new(KIND)
        .text("qemu", &toolchain.qemu_version)
        .text("kernel", kernel.key.as_str())
        .text("command", command)
        .key()
}

/// Boots the guest until it is at rest when it is saved, and writes what is kept of
/// it to `folder`. False if it never was: then the last is kept.
fn save(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    machine: &Machine,
    folder: &Path,
) -> Result<bool> {
    for _ in 0..TRIES {
        remove(folder)?; // the memory of the last
        std::fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        if save_once(toolchain, kernel, machine, folder)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Boots the guest once and writes what is kept of it to `folder`; false if it was
/// not at rest.
fn save_once(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    machine: &Machine,
    folder: &Path,
) -> Result<bool> {
    let mut guest = Running::start(toolchain, kernel, |own, console| {
        Ok(Machine {
            console,
            start: Start::Save {
                memory: memory(folder),
                lesson: LessonDevice::empty(own)?,
            },
            ..machine.clone()
        })
    })?;
    let saved = stopped(&mut guest, machine.smp).and_then(|stopped| {
        write(&state(folder), &stopped.state)?;
        Ok(stopped.at_rest)
    });
    let (status, errors) = guest.end()?;
    crate::process::park_if_interrupted();
    let at_rest = saved.with_context(|| format!("QEMU: {status} {errors}"))?;
    write(&log(folder), &guest.log()?)?;
    write(&console(folder), &guest.shell()?)?;
    Ok(at_rest)
}

/// A guest that has stopped itself.
struct Stopped {
    state: Vec<u8>,
    /// As any that is saved anew.
    at_rest: bool,
}

/// Waits until the guest has stopped itself; returns its state when QEMU has
/// told it and is about to end.
fn stopped(guest: &mut Running, cpus: u32) -> Result<Stopped> {
    let mut control = Some(guest.control()?);
    let mut pulse = Pulse::default();
    loop {
        let channel = control
            .as_mut()
            .ok_or_else(|| anyhow!("QEMU does not answer"))?;
        if channel.has_stopped(SAMPLE)? {
            let at_rest = channel.is_at_rest(cpus)?;
            let state = channel.state(&guest.folder().join("state"))?;
            channel.quit()?;
            // Its memory is whole when it has ended by itself.
            while !matches!(guest.wait(None)?, Seen::End) {}
            return Ok(Stopped { state, at_rest });
        }
        if pulse.beat(&mut control, LIMIT, guest.qemu.id()).is_some() {
            bail!("it did not ask to be saved within {LIMIT} s of its own time");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::{Clock, Events};

    fn toolchain() -> Toolchain {
        Toolchain {
            rustc: PathBuf::new(),
            rust_lib_src: PathBuf::new(),
            bindgen: PathBuf::new(),
            llvm_bin: PathBuf::new(),
            libclang: PathBuf::new(),
            qemu: PathBuf::from("qemu"),
            busybox: PathBuf::new(),
            identity: String::new(),
            qemu_version: "7.2.0".to_owned(),
        }
    }

    fn kernel(key: &str) -> KernelImage {
        KernelImage {
            kernel: "6.12".to_owned(),
            version: "6.12.1".to_owned(),
            tree: PathBuf::new(),
            objects: PathBuf::new(),
            profile: crate::kernel::Profile::Teaching,
            key: Inputs::new(key).key(),
            cached: true,
        }
    }

    fn machine() -> Machine {
        Machine {
            clock: Clock::Virtual { shift: 5 },
            console: Console::Output,
            start: Start::Boot,
            initrd: PathBuf::from("base-1"),
            smp: 2,
            memory: 256,
            kernel_words: Vec::new(),
            events: Events::Live,
            gdb: None,
        }
    }

    #[test]
    fn all_that_goes_into_a_guest_is_in_its_key() {
        let of = |machine: &Machine| key(&toolchain(), &kernel("kernel"), machine);
        let first = of(&machine());
        assert_eq!(first, of(&machine()));
        let others = [
            of(&Machine {
                initrd: PathBuf::from("base-2"),
                ..machine()
            }),
            of(&Machine {
                clock: Clock::Virtual { shift: 6 },
                ..machine()
            }),
            of(&Machine {
                smp: 1,
                ..machine()
            }),
            of(&Machine {
                memory: 128,
                ..machine()
            }),
            of(&Machine {
                kernel_words: vec!["quiet".to_owned()],
                ..machine()
            }),
            key(&toolchain(), &kernel("another"), &machine()),
            key(
                &Toolchain {
                    qemu_version: "7.2.1".to_owned(),
                    ..toolchain()
                },
                &kernel("kernel"),
                &machine(),
            ),
        ];
        for other in others {
            assert_ne!(other, first);
        }
    }
}
