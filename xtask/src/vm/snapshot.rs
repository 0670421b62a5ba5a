//! Snapshots: guests that have booted, in the cache, from which runs resume.
//!
//! A guest's memory is a file, and every guest that resumes maps it privately: nothing is
//! copied before it is written to, several guests share what they only read, and nothing of
//! one reaches another. The rest of its state is some 50 KB.
//!
//! One snapshot waits for any assignment. A test case that is run many times has a snapshot of
//! its own: a guest that resumed from the other one, and waits with its assignment for the
//! options of a run.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::channels::{Channels, Endpoints};
use super::firmware::{FirmwareFiles, PackedAssignment};
use super::machine::{Boot, Machine, VirtualClock};
use super::pci::LostHeader;
use super::snapshot_taking::{Resumed, Subject, Taken};
use super::sparse_copy::copy_sparse;
use crate::cache::{remove, remove_entry};
use crate::kernel::KernelImage;
use crate::key::{Inputs, Key};
use crate::session::Session;
use crate::toolchain::Toolchain;
use crate::ui::Ui;
use kmodlab_protocol::RunOptions;

/// The version of this recipe; a change of how a snapshot is taken changes it.
const KIND: &str = "snapshot 1";

/// The same of a snapshot with an assignment.
const WITH_ASSIGNMENT_KIND: &str = "snapshot with assignment 1";

/// Maximum number of times that a guest is run until it was idle and identical to another when
/// it was saved: two nearly always suffice.
const TRIES: u32 = 20;

/// Maximum number of snapshots in the cache, of some 50 MB each: one for each kernel and
/// profile, and those of test cases that were run many times.
const MAX_SNAPSHOTS: usize = 16;

/// A snapshot that was used within this time may be in use by another xtask.
const MIN_AGE: Duration = Duration::from_secs(3600);

/// The guest of which a snapshot is taken.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotGuest<'a> {
    /// The tools.
    pub toolchain: &'a Toolchain,
    /// Its kernel.
    pub kernel: &'a KernelImage,
    /// Its clock.
    pub clock: VirtualClock,
    /// Its initramfs, one from the cache, and kernel parameters.
    pub boot: &'a Boot,
}

/// A snapshot in the cache.
#[derive(Debug, Clone)]
pub struct Snapshot {
    folder: PathBuf,
    cached: bool,
    usable: Arc<AtomicBool>,
}

impl Snapshot {
    /// Takes a snapshot of a guest that waits for an assignment, unless the cache has it.
    ///
    /// # Errors
    ///
    /// If the guest does not ask for a snapshot, or the cache cannot be written.
    pub fn take(session: &Session, guest: SnapshotGuest<'_>) -> Result<Self> {
        let stage = session.ui.stage("snapshot");
        let label = guest.kernel.label();
        let taken = Self::entry(session, &label, &key(guest), |folder| {
            stage.begin("booting a guest for all test cases", 0);
            take(&subject(guest, None), folder, (Vec::new(), Vec::new()))
        })?;
        stage.done(taken.cached, format!("Linux {label}"));
        Ok(taken)
    }

    /// Takes a snapshot of a guest that resumed from this one with an assignment, and waits for
    /// the options of a run, unless the cache has it. `guest` is the guest of this snapshot.
    ///
    /// # Errors
    ///
    /// If the guest does not ask for a snapshot, or the cache cannot be written.
    pub fn take_with(
        &self,
        session: &Session,
        guest: SnapshotGuest<'_>,
        name: &str,
        assignment: &PackedAssignment,
    ) -> Result<Self> {
        let key = Inputs::new(WITH_ASSIGNMENT_KIND)
            .text("guest", key(guest).as_str())
            .bytes("assignment", assignment.bytes())
            .key();
        Self::entry(session, name, &key, |folder| {
            let resumed = Resumed {
                memory: self.memory(),
                state: self.state()?,
                lost_headers: self.lost_headers()?,
                assignment,
            };
            let subject = subject(guest, Some(resumed));
            take(&subject, folder, (self.log()?, self.agent()?))
        })
    }

    /// Returns the snapshot with this key from the cache, or that which `take` makes.
    fn entry(
        session: &Session,
        name: &str,
        key: &Key,
        take: impl FnOnce(&Path) -> Result<bool>,
    ) -> Result<Self> {
        // QEMU opens the memory for writing, although it maps it privately (`file_ram_open` in
        // softmmu/physmem.c), so a snapshot in a cache that is only read is copied.
        let cache = session.cache.own();
        let entry = cache.entry("guests", name, key, |staging| {
            if let Some(shared) = session.cache.find_shared("guests", name, key)? {
                std::fs::create_dir(staging)
                    .with_context(|| format!("cannot make {}", staging.display()))?;
                let files = [MEMORY, STATE, LOG, AGENT, HEADERS].into_iter();
                let mut files = files.filter(|name| *name != HEADERS || shared.join(name).exists());
                return files
                    .try_for_each(|name| copy_sparse(&shared.join(name), &staging.join(name)));
            }
            if !take(staging)? {
                session.ui.note(
                    "no two snapshots of a guest were identical: a seed may have another meaning \
                     here than elsewhere",
                );
            }
            Ok(())
        })?;
        if let Err(error) = cache.used(&entry.path, MAX_SNAPSHOTS, MIN_AGE) {
            session.ui.note(format!("old snapshots stay: {error:#}"));
        }
        Ok(Self {
            folder: entry.path,
            cached: entry.cached,
            usable: Arc::new(AtomicBool::new(true)),
        })
    }

    /// Makes a guest of this snapshot that resumes for a run, with these options, and with an
    /// assignment unless the snapshot has one.
    ///
    /// # Errors
    ///
    /// If the guest's files cannot be written.
    pub fn machine(
        &self,
        guest: SnapshotGuest<'_>,
        channels: &Channels,
        assignment: Option<&PackedAssignment>,
        options: &RunOptions,
    ) -> Result<Machine> {
        let firmware = FirmwareFiles::new(channels.folder(), assignment, options)?;
        Ok(Machine::resumed(
            guest.clock,
            channels.endpoints(),
            guest.boot.clone(),
            self.memory(),
            firmware,
        ))
    }

    /// Returns the file that is the guest's memory.
    pub fn memory(&self) -> PathBuf {
        self.folder.join(MEMORY)
    }

    /// Reads the guest's state without its memory.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn state(&self) -> Result<Vec<u8>> {
        read(&self.folder.join(STATE))
    }

    /// Reads the headers of the guest's PCI devices that the state lacks.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(super) fn lost_headers(&self) -> Result<Vec<LostHeader>> {
        let path = self.folder.join(HEADERS);
        match path.exists() {
            true => serde_json::from_slice(&read(&path)?)
                .with_context(|| format!("{} is not a list of PCI headers", path.display())),
            false => Ok(Vec::new()),
        }
    }

    /// Reads the kernel's log at the time of the snapshot.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn log(&self) -> Result<Vec<u8>> {
        read(&self.folder.join(LOG))
    }

    /// Reads the agent's messages at the time of the snapshot.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn agent(&self) -> Result<Vec<u8>> {
        read(&self.folder.join(AGENT))
    }

    /// Returns false once a guest could not be resumed from it.
    pub fn is_usable(&self) -> bool {
        self.usable.load(Ordering::Relaxed)
    }

    /// Removes the snapshot from the cache, so that no other guest resumes from it, neither in
    /// this run nor in the next. Reports the reason once.
    pub fn discard(&self, ui: &Ui, why: &anyhow::Error) {
        if !self.usable.swap(false, Ordering::Relaxed) {
            return;
        }
        ui.note(format!("each test case boots a guest of its own: {why:#}"));
        // The next run tries again to remove what cannot be removed now.
        let _ = remove_entry(&self.folder);
    }
}

const MEMORY: &str = "memory";
const STATE: &str = "state";
const LOG: &str = "log";
const AGENT: &str = "agent";
/// Present if a PCI device is not in the state.
const HEADERS: &str = "pci-headers";

fn subject<'a>(guest: SnapshotGuest<'a>, resumes: Option<Resumed<'a>>) -> Subject<'a> {
    Subject {
        toolchain: guest.toolchain,
        kernel: guest.kernel,
        clock: guest.clock,
        boot: guest.boot,
        resumes,
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Returns the key of everything that a snapshot depends on: QEMU, and its whole command line.
/// The names of the kernel and the initramfs in the cache have their own keys; the cache's path is
/// left out, so that a pack's snapshots are found on another host.
fn key(guest: SnapshotGuest<'_>) -> Key {
    let name = |path: &Path| PathBuf::from(path.file_name().unwrap_or_default());
    let firmware = FirmwareFiles::at(Path::new(""));
    let boot = Boot {
        initrd: name(&guest.boot.initrd),
        ..guest.boot.clone()
    };
    let kernel = KernelImage {
        objects: name(&guest.kernel.objects),
        ..guest.kernel.clone()
    };
    let channels = Endpoints::names();
    let machine = Machine::to_be_saved(guest.clock, channels, boot, MEMORY.into(), firmware);
    let command = machine.command(guest.toolchain, &kernel).quoted();
    Inputs::new(KIND)
        .text("qemu", &guest.toolchain.qemu_version)
        .text("kernel", guest.kernel.key.as_str())
        .text("command", command)
        .key()
}

/// Takes snapshots until two in which the guest was idle have identical memory, and writes the
/// last one to `folder`; `before` has the log and messages that precede it. Returns false if no
/// two were identical: then the last one is kept.
fn take(subject: &Subject<'_>, folder: &Path, before: (Vec<u8>, Vec<u8>)) -> Result<bool> {
    let mut seen = Vec::new();
    let mut tries = 1;
    let (taken, identical) = loop {
        remove(folder)?; // the memory of the last
        std::fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let taken = subject.take_snapshot(&folder.join(MEMORY))?;
        if taken.idle {
            let hash = memory_hash(&folder.join(MEMORY))?;
            if seen.contains(&hash) {
                break (taken, true);
            }
            seen.push(hash);
        }
        if tries == TRIES {
            break (taken, false);
        }
        tries += 1;
    };
    let Taken {
        state,
        lost_headers,
        log,
        agent,
        ..
    } = taken;
    let (log_before, agent_before) = before;
    if !lost_headers.is_empty() {
        write(&folder.join(HEADERS), &serde_json::to_vec(&lost_headers)?)?;
    }
    write(&folder.join(STATE), &state)?;
    write(&folder.join(LOG), &[log_before, log].concat())?;
    write(&folder.join(AGENT), &[agent_before, agent].concat())?;
    Ok(identical)
}

/// Returns the hash of a guest's memory without its second page, where QEMU leaves remains of
/// its own stack. The file is read piece by piece: several snapshots are taken at the same time.
fn memory_hash(memory: &Path) -> Result<blake3::Hash> {
    const PAGE: u64 = 4096;
    let hash = || -> std::io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        let mut file = File::open(memory)?;
        hasher.update_reader((&file).take(PAGE))?;
        file.seek(SeekFrom::Start(2 * PAGE))?;
        hasher.update_reader(file)?;
        Ok(hasher.finalize())
    };
    hash().with_context(|| format!("cannot read {}", memory.display()))
}

#[cfg(test)]
mod tests;
