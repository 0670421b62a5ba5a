// SPDX-License-Identifier: GPL-2.0

//! A file that is removed when it is closed.

use kernel::{c_str, new_mutex, prelude::*, sync::{Arc, Mutex}};
use kernel_ext::{
    proc::{ProcEntry, ProcFile, SeqFile},
};

module! {
    type: Test,
    name: "safe_release_self",
    authors: ["kmodlab"],
    description: "Who closes the file removes it",
    license: "GPL",
}

/// Is there for one reader.
struct Once(Arc<Mutex<Option<ProcEntry<Once>>>>);

#[vtable]
impl ProcFile for Once {
    fn show(&self, _out: &mut SeqFile) -> Result {
        Ok(())
    }

    fn release(&self) {
        let entry = self.0.lock().take();
        drop(entry);
        // If the drop came last, it could be a tail call, without a frame of this function.
        pr_info!("removed\n");
    }
}

struct Test {
    _slot: Arc<Mutex<Option<ProcEntry<Once>>>>,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let slot = Arc::pin_init(new_mutex!(None), GFP_KERNEL)?;
        let entry = ProcEntry::new(c_str!("safe_release_self"), 0o444, None, Once(slot.clone()))?;
        *slot.lock() = Some(entry);
        Ok(Test { _slot: slot })
    }
}
