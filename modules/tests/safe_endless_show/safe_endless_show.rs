// SPDX-License-Identifier: GPL-2.0

//! Texts without end, and long ones.

use core::{fmt::Write, sync::atomic::{AtomicU32, Ordering::Relaxed}};
use kernel::{c_str, prelude::*};
use kernel_ext::proc::{ProcDir, ProcEntry, ProcFile, SeqFile};

module! {
    type: Test,
    name: "safe_endless_show",
    authors: ["kmodlab"],
    description: "Texts without end, and long ones",
    license: "GPL",
}

/// Writes until `write!` fails because the buffer is full.
struct Endless;

#[vtable]
impl ProcFile for Endless {
    fn show(&self, out: &mut SeqFile) -> Result {
        for number in 0u64.. {
            writeln!(out, "{number}")?;
        }
        Ok(())
    }
}

/// A text of this length, and counts of its calls.
struct Long {
    mebibytes: u32,
    shown: AtomicU32,
    lines: AtomicU32,
}

#[vtable]
impl ProcFile for Long {
    fn show(&self, out: &mut SeqFile) -> Result {
        self.shown.fetch_add(1, Relaxed);
        for _ in 0..self.mebibytes * 1024 {
            for _ in 0..16 {
                out.write_str("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n")?;
                self.lines.fetch_add(1, Relaxed);
            }
        }
        Ok(())
    }
}

impl Drop for Long {
    fn drop(&mut self) {
        pr_info!("{} MiB: shown {} times, {} lines\n", self.mebibytes, self.shown.load(Relaxed), self.lines.load(Relaxed));
    }
}

struct Test {
    _endless: ProcEntry<Endless>,
    _long: [ProcEntry<Long>; 3],
}

fn long(name: &kernel::str::CStr, dir: &ProcDir, mebibytes: u32) -> Result<ProcEntry<Long>> {
    ProcEntry::new(name, 0o444, Some(dir), Long { mebibytes, shown: AtomicU32::new(0), lines: AtomicU32::new(0) })
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let dir = ProcDir::new(c_str!("safe_endless_show"), None)?;
        Ok(Test {
            _endless: ProcEntry::new(c_str!("endless"), 0o444, Some(&dir), Endless)?,
            _long: [
                long(c_str!("1"), &dir, 1)?,
                long(c_str!("8"), &dir, 8)?,
                long(c_str!("16"), &dir, 16)?,
            ],
        })
    }
}
