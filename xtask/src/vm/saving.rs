//! How a guest comes to be saved.
//!
//! The guest itself says when it is to be saved: it writes to the device
//! pvpanic, and QEMU stops the CPU that does at that very instruction
//! (`-action panic=pause`). The rest is stopped when QEMU's main loop comes to
//! it. So the guest asks when no other CPU runs. While all CPUs wait, and one that
//! is stopped counts as one that waits, QEMU's main loop lets the clock jump on to the
//! next timer (`icount_start_warp_timer` in softmmu/icount.c), unless it stops the guest
//! first: the CPU that asks wakes it, and a moment later tells it that all CPUs wait.
//! On a quiet host it is not there before; on a busy one it takes the place of the CPU's
//! thread at once (8 of 22 guests had jumped), but not where threads that wake take
//! nobody's place (30 of 30, with up to four busy processes on two cores). One that has
//! not jumped all the same is told from the others.
//!
//! So what is saved anew is the same, here and elsewhere, as long as the kernel,
//! the initramfs and QEMU are: a seed means the same. (But for what no guest sees:
//! bytes of QEMU's own stack that it leaves in the second page of the memory, and
//! the host's clocks in the state. And but for one of some 200, which is why `saved`
//! keeps one when two are the same.)

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::lesson_device::LessonDevice;
use super::machine::{Machine, Start};
use super::pulse::{Pulse, SAMPLE};
use super::running::{Running, Seen};
use crate::kernel::KernelImage;
use crate::toolchain::Toolchain;

/// A guest has so many seconds of its own time to ask to be saved.
const LIMIT: u32 = 60;

/// A guest that is to be saved.
pub(super) struct Saving<'a> {
    pub toolchain: &'a Toolchain,
    pub kernel: &'a KernelImage,
    pub machine: &'a Machine,
    /// Where it goes on from; else it boots.
    pub after: Option<After<'a>>,
}

/// A guest that was saved, and what is brought to one that goes on from there.
pub(super) struct After<'a> {
    pub memory: PathBuf,
    pub state: Vec<u8>,
    /// Files, as [`packed`](super::packed) has made an archive of them.
    pub archive: &'a [u8],
}

/// What a guest is once it is saved, all but its memory.
pub(super) struct Stopped {
    pub state: Vec<u8>,
    /// What its kernel logged, and its shell noted.
    pub log: Vec<u8>,
    pub console: Vec<u8>,
    /// Its clock had jumped, and no other CPU ran.
    pub at_rest: bool,
}

impl Saving<'_> {
    /// Runs the guest until it asks to be saved. Its memory becomes the file `memory`,
    /// which is not there yet.
    pub fn run(&self, memory: &Path) -> Result<Stopped> {
        let Self {
            toolchain,
            kernel,
            machine,
            after,
        } = self;
        if let Some(after) = after {
            copy_sparse(&after.memory, memory)?;
        }
        let mut guest = Running::start(toolchain, kernel, |own, console| {
            let memory = memory.to_owned();
            let start = match after {
                None => Start::Save {
                    memory,
                    lesson: LessonDevice::empty(own)?,
                },
                Some(After { archive, .. }) => Start::SaveAgain {
                    memory,
                    lesson: LessonDevice::holding(own, archive, "")?,
                },
            };
            Ok(Machine {
                console,
                start,
                ..(*machine).clone()
            })
        })?;
        let before = after.as_ref().map(|after| &*after.state);
        let stopped = until_stopped(&mut guest, machine.smp, before);
        let (status, errors) = guest.end()?;
        crate::process::park_if_interrupted();
        let (state, at_rest) = stopped.with_context(|| format!("QEMU: {status} {errors}"))?;
        Ok(Stopped {
            state,
            log: guest.log()?,
            console: guest.shell()?,
            at_rest,
        })
    }
}

/// Copies a file that is mostly holes, and leaves these out.
fn copy_sparse(from: &Path, to: &Path) -> Result<()> {
    let copy = || -> std::io::Result<()> {
        let (mut source, mut target) = (File::open(from)?, File::create_new(to)?);
        let length = source.metadata()?.len();
        target.set_len(length)?;
        let mut hole = 0;
        // Behind the last data there is none (ENXIO).
        while let Some(data) = match rustix::fs::seek(&source, SeekFrom::Data(hole)) {
            Err(Errno::NXIO) => None,
            data => Some(data?),
        } {
            hole = rustix::fs::seek(&source, SeekFrom::Hole(data))?;
            source.seek(std::io::SeekFrom::Start(data))?;
            target.seek(std::io::SeekFrom::Start(data))?;
            std::io::copy(&mut (&source).take(hole - data), &mut target)?;
        }
        Ok(())
    };
    copy().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Waits until the guest has stopped itself, which goes on from `before` if that is
/// given; returns its state, and whether it is at rest, when QEMU has told it and is
/// about to end.
fn until_stopped(guest: &mut Running, cpus: u32, before: Option<&[u8]>) -> Result<(Vec<u8>, bool)> {
    let mut control = guest.control()?;
    if let Some(state) = before {
        control.go_on(state, &guest.folder().join("state-before"))?;
    }
    let mut control = Some(control);
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
            return Ok((state, at_rest));
        }
        if pulse.beat(&mut control, LIMIT, guest.qemu.id()).is_some() {
            bail!("it did not ask to be saved within {LIMIT} s of its own time");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_same_bytes_and_holes() -> Result<()> {
        use std::os::unix::fs::{FileExt as _, MetadataExt as _};
        const LONG: u64 = 8 << 20;
        let folder = tempfile::tempdir()?;
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let file = File::create(&from)?;
        file.set_len(LONG)?;
        file.write_all_at(b"begins", 0)?;
        file.write_all_at(b"goes on", LONG / 2 + 5)?;
        copy_sparse(&from, &to)?;
        assert_eq!(std::fs::read(&from)?, std::fs::read(&to)?);
        assert!(std::fs::metadata(&to)?.blocks() * 512 < LONG / 4);
        // What is there already is somebody's.
        assert!(copy_sparse(&from, &to).is_err());
        Ok(())
    }
}
