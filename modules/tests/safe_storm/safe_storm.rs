// SPDX-License-Identifier: GPL-2.0

//! Files whose functions, and whose `Drop`, make and leak further files and threads.

use core::{
    fmt::Write,
    mem::forget,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};
use kernel::{
    c_str, fmt,
    prelude::*,
    str::{CStr, CString}, sync::Arc};
use kernel_ext::{
    delay::msleep,
    kthread::KThread,
    module_param_cb,
    proc::{ProcDir, ProcEntry, ProcFile, SeqFile},
    wait::{new_wait_queue, WaitQueue},
};

module! {
    type: Test,
    name: "safe_storm",
    authors: ["kmodlab"],
    description: "Things that make and leak further things",
    license: "GPL",
}

module_param_cb! {
    call: call,
    name: "go",
    description: "make and leak files",
}

static FILES: AtomicU32 = AtomicU32::new(0);

struct File {
    generations: u32,
    _thread: Option<KThread<()>>,
    queue: Arc<WaitQueue>,
}

impl Drop for File {
    fn drop(&mut self) {
        if self.generations == 0 {
            return;
        }
        let generations = self.generations - 1;
        let queue = self.queue.clone();
        let thread = KThread::run(c_str!("born in drop"), move |ctx| {
            msleep(30);
            queue.wait_event_timeout(20, || ctx.should_stop());
            drop(File { generations, _thread: None, queue });
        });
        forget(thread);
        forget(add(generations));
    }
}

#[vtable]
impl ProcFile for File {
    fn show(&self, out: &mut SeqFile) -> Result {
        let queue = self.queue.clone();
        let mut thread = KThread::run(c_str!("shown"), move |ctx| {
            queue.wait_event(|| ctx.should_stop());
            3
        })?;
        let entry = add(0)?;
        self.queue.wait_event_timeout(10, || false);
        self.queue.wake_up();
        writeln!(out, "{:?}", thread.stop())?;
        drop(entry);
        Ok(())
    }

    fn open(&self) {
        drop(add(0));
    }

    fn release(&self) {
        msleep(20);
        let mut thread = KThread::run(c_str!("released"), |ctx| ctx.sleep_until_stopped());
        if self.generations % 2 == 0 {
            forget(thread);
        }
    }
}

fn add(generations: u32) -> Result<ProcEntry<File>> {
    let number = FILES.fetch_add(1, Relaxed);
    let queue = Arc::pin_init(new_wait_queue!(), GFP_KERNEL)?;
    let folder = CString::try_from_fmt(fmt!("storm{number}"))?;
    let folder = ProcDir::new(&folder, None)?;
    let inner = ProcDir::new(c_str!("inner"), Some(&folder))?;
    let thread = Some(KThread::run(c_str!("of file"), |_| ())?);
    let file = File { generations, _thread: thread, queue };
    let entry = ProcEntry::new(c_str!("file"), 0o444, Some(&inner), file)?;
    if generations % 3 == 1 {
        forget(inner);
    }
    Ok(entry)
}

fn call(_text: &CStr) -> Result {
    forget(add(3)?);
    msleep(30);
    drop(add(2)?);
    Ok(())
}

struct Test;

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        forget(add(4)?);
        Ok(Test)
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        forget(add(4));
        msleep(20);
    }
}
