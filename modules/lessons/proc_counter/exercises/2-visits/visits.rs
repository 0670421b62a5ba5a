// SPDX-License-Identifier: GPL-2.0

//! A file that counts its visitors.

use core::{
    fmt::Write,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};
use kernel::{c_str, prelude::*};
use kernel_ext::{
    module_param,
    proc::{ProcEntry, ProcFile, SeqFile},
};

module! {
    type: Visits,
    name: "visits",
    authors: ["You"],
    description: "A file that counts its visitors",
    license: "GPL",
}

module_param! {
    LINES: u32 = 1,
    name: "lines",
    description: "Length of the file in lines",
}

struct Visits {
    _entry: ProcEntry<VisitsFile>,
}

struct VisitsFile {
    visits: AtomicU32,
}

#[vtable]
impl ProcFile for VisitsFile {
    fn open(&self) {
        // TODO 1: count the visitor.
        //@ 1 {
        self.visits.fetch_add(1, Relaxed);
        //@ 1 }
    }

    fn show(&self, out: &mut SeqFile) -> Result {
        for line in 1..=LINES.value() {
            // TODO 2: write `line L: N visits`, with the number of the line and that of the visits.
            //@ 2 {
            writeln!(out, "line {line}: {} visits", self.visits.load(Relaxed))?;
            //@ 2 } instead: write!(out, "{line} {}", self.visits.load(Relaxed))?;
        }
        Ok(())
    }
}

impl kernel::Module for Visits {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let file = VisitsFile {
            visits: AtomicU32::new(0),
        };
        Ok(Visits {
            _entry: ProcEntry::new(c_str!("visits"), 0o444, None, file)?,
        })
    }
}
