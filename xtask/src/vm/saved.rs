//! Guests that have booted, kept in the cache, and that lessons start from.
//!
//! A guest's memory is a file, and every guest that goes on from there maps it
//! privately: nothing is copied before it is written to, several guests share
//! what they only read, and nothing of one reaches another. The rest of its
//! state is some 50 KB.
//!
//! One guest waits for a lesson, whichever that is. A lesson that is played many times
//! has a guest of its own: it has gone on from the other one, and waits with the lesson
//! for what is to be done right before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::lesson_device::LessonDevice;
use super::machine::{Console, Machine, Start};
use super::saving::{After, Saving};
use crate::cache::remove;
use crate::kernel::KernelImage;
use crate::key::{Inputs, Key};
use crate::session::Session;
use crate::toolchain::Toolchain;
use crate::ui::Ui;

/// The recipe's number; a change of how a guest is saved changes it.
const KIND: &str = "saved guest 2";

/// The same of one that is saved with its lesson.
const WITH_LESSON_KIND: &str = "saved guest with its lesson 1";

/// A guest is run so often at the most until it is at rest when it is saved, and as
/// another was: nearly always twice.
const TRIES: u32 = 20;

/// So many are kept, of some 50 MB each: one a kernel and profile, and those of the
/// lessons that were played many times.
const MOST: usize = 16;

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
        let saving = Saving {
            toolchain,
            kernel,
            machine,
            after: None,
        };
        let saved = Self::entry(session, &kernel.label(), &key, |folder| {
            stage.begin("booting a guest for all lessons", 0);
            save(&saving, folder, (Vec::new(), Vec::new()))
        })?;
        stage.done(saved.cached, format!("Linux {}", kernel.label()));
        Ok(saved)
    }

    /// Lets a guest go on from this one, of the same `machine`, until it asks again,
    /// and keeps it under `name`, unless the cache has it. It is brought `archive`,
    /// which [`packed`](super::packed) has made.
    pub fn keep_with(
        &self,
        session: &Session,
        toolchain: &Toolchain,
        kernel: &KernelImage,
        machine: &Machine,
        name: &str,
        archive: &[u8],
    ) -> Result<Self> {
        let key = Inputs::new(WITH_LESSON_KIND)
            .text("guest", key(toolchain, kernel, machine).as_str())
            .bytes("archive", archive)
            .key();
        Self::entry(session, name, &key, |folder| {
            let saving = Saving {
                toolchain,
                kernel,
                machine,
                after: Some(After {
                    memory: self.memory(),
                    state: self.state()?,
                    archive,
                }),
            };
            save(&saving, folder, (self.log()?, self.console()?))
        })
    }

    /// The guest with this key from the cache, else what `save` makes.
    fn entry(
        session: &Session,
        name: &str,
        key: &Key,
        save: impl FnOnce(&Path) -> Result<bool>,
    ) -> Result<Self> {
        let entry = session.cache.entry("guests", name, key, |staging| {
            if !save(staging)? {
                session.ui.note(
                    "the guest was never the same twice when it was saved: a seed may do \
                     something else here than elsewhere",
                );
            }
            Ok(())
        })?;
        if let Err(error) = session.cache.used(&entry.path, MOST, REST) {
            session.ui.note(format!("old saved guests stay: {error:#}"));
        }
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

/// Runs a guest until it is at rest when it is saved, and as any that is: until its
/// memory is that of one before. Writes what is kept of it to `folder`; its log and
/// console go on from what is given. False if it never was: then the last is kept.
///
/// Of 200 guests at rest, one had another memory than the rest; why is not known.
fn save(saving: &Saving<'_>, folder: &Path, said: (Vec<u8>, Vec<u8>)) -> Result<bool> {
    let mut seen = Vec::new();
    let mut tries = 1;
    let (stopped, sure) = loop {
        remove(folder)?; // the memory of the last
        std::fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let stopped = saving.run(&memory(folder))?;
        if stopped.at_rest {
            let key = memory_key(&memory(folder))?;
            if seen.contains(&key) {
                break (stopped, true);
            }
            seen.push(key);
        }
        if tries == TRIES {
            break (stopped, false);
        }
        tries += 1;
    };
    let (before_log, before_console) = said;
    write(&state(folder), &stopped.state)?;
    write(&log(folder), &[before_log, stopped.log].concat())?;
    write(
        &console(folder),
        &[before_console, stopped.console].concat(),
    )?;
    Ok(sure)
}

/// Stands for a guest's memory, all but the second page, where QEMU leaves bytes of its
/// own stack.
fn memory_key(memory: &Path) -> Result<Key> {
    const PAGE: usize = 4096;
    let mut bytes = read(memory)?;
    if let Some(page) = bytes.get_mut(PAGE..2 * PAGE) {
        page.fill(0);
    }
    Ok(Inputs::new("memory").bytes("all", &bytes).key())
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
