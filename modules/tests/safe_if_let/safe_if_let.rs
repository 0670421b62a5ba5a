// SPDX-License-Identifier: GPL-2.0

//! If let Some(thread) = slot.lock().take().

use core::fmt::Write;
use kernel::{c_str, new_mutex, prelude::*, sync::{Arc, Mutex}};
use kernel_ext::{
    delay::msleep,
    kthread::KThread,
    proc::{ProcEntry, ProcFile, SeqFile},
};

module! {
    type: Test,
    name: "safe_if_let",
    authors: ["kmodlab"],
    description: "If let Some(thread) = slot.lock().take()",
    license: "GPL",
}

struct State {
    beats: u32,
    thread: Option<KThread<()>>,
}

/// A file whose reader stops the thread.
struct StopFile(Arc<Mutex<State>>);

#[vtable]
impl ProcFile for StopFile {
    fn show(&self, out: &mut SeqFile) -> Result {
        if let Some(mut thread) = self.0.lock().thread.take() {
            thread.stop()?;
        }
        writeln!(out, "stopped")?;
        Ok(())
    }
}

struct Test {
    _file: ProcEntry<StopFile>,
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let state = Arc::pin_init(new_mutex!(State { beats: 0, thread: None }), GFP_KERNEL)?;
        let for_thread = state.clone();
        let thread = KThread::run(c_str!("beats"), move |ctx| {
            while !ctx.should_stop() {
                msleep(100);
                for_thread.lock().beats += 1;
            }
        })?;
        state.lock().thread = Some(thread);
        Ok(Test { _file: ProcEntry::new(c_str!("safe_if_let"), 0o444, None, StopFile(state))? })
    }
}
