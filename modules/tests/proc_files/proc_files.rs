// SPDX-License-Identifier: GPL-2.0

//! Files and folders in `/proc`, at their edges.

use core::{
    fmt::Write,
    sync::atomic::{AtomicU32, Ordering},
};
use kernel::{c_str, prelude::*, str::CStr};
use kernel_ext::proc::{ProcDir, ProcEntry, ProcFile, SeqFile};

module! {
    type: ProcFiles,
    name: "proc_files",
    authors: ["kmodlab"],
    description: "Test of files and folders in /proc",
    license: "GPL",
}

/// A file without `open` and `release`, for which the kernel has the table of functions.
struct Plain {
    shown: AtomicU32,
}

#[vtable]
impl ProcFile for Plain {
    fn show(&self, out: &mut SeqFile) -> Result {
        let shown = self.shown.fetch_add(1, Ordering::Relaxed) + 1;
        writeln!(out, "shown {shown}")?;
        Ok(())
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        pr_info!("plain dropped\n");
    }
}

/// A file of more than one page.
struct Long {
    open: AtomicU32,
}

#[vtable]
impl ProcFile for Long {
    fn open(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    fn show(&self, out: &mut SeqFile) -> Result {
        for line in 0..2000 {
            writeln!(out, "line {line:04}")?;
        }
        Ok(())
    }

    fn release(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Long {
    fn drop(&mut self) {
        pr_info!(
            "long dropped, open: {}\n",
            self.open.load(Ordering::Relaxed)
        );
    }
}

/// A file that cannot be read, and says why.
struct Refuses;

#[vtable]
impl ProcFile for Refuses {
    fn show(&self, out: &mut SeqFile) -> Result {
        write!(out, "nobody reads this")?;
        Err(EBUSY)
    }
}

struct ProcFiles {
    _plain: ProcEntry<Plain>,
    _long: ProcEntry<Long>,
    _refuses: ProcEntry<Refuses>,
}

/// Says what becomes of an entry with this name and mode.
fn attempt(name: &CStr, mode: u16, parent: Option<&ProcDir>) {
    match ProcEntry::new(name, mode, parent, Refuses) {
        Ok(_entry) => pr_info!("attempt {name} {mode:o}: made\n"),
        Err(error) => pr_info!("attempt {name} {mode:o}: {}\n", error.to_errno()),
    }
}

impl kernel::Module for ProcFiles {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let outer = ProcDir::new(c_str!("proc_files"), None)?;
        let inner = ProcDir::new(c_str!("inner"), Some(&outer))?;

        attempt(c_str!("ready"), 0o444, Some(&inner));
        attempt(c_str!("123"), 0o444, Some(&inner));
        attempt(c_str!("123"), 0o444, None);
        attempt(c_str!(""), 0o444, None);
        attempt(c_str!("."), 0o444, None);
        attempt(c_str!(".."), 0o444, Some(&inner));
        attempt(c_str!("sys/x"), 0o444, None);
        attempt(c_str!("folder"), 0o040444, None);
        // Any text will do: it is never taken for a `printf` format.
        attempt(c_str!("%s%n"), 0o444, None);

        let plain = Plain {
            shown: AtomicU32::new(0),
        };
        let long = Long {
            open: AtomicU32::new(0),
        };
        // The folders' handles are dropped here; the folders stay as long as the entries.
        Ok(ProcFiles {
            _plain: ProcEntry::new(c_str!("plain"), 0, Some(&inner), plain)?,
            _long: ProcEntry::new(c_str!("long"), 0o600, Some(&outer), long)?,
            _refuses: ProcEntry::new(c_str!("refuses"), 0o444, Some(&inner), Refuses)?,
        })
    }
}
