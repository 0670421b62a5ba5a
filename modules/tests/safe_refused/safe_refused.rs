// SPDX-License-Identifier: GPL-2.0

//! Programs that must not compile.

use core::cell::Cell;
use kernel::{c_str, new_mutex, prelude::*, sync::{Arc, Mutex}};
use kernel_ext::{
    kthread::{Ctx, KThread},
    proc::{ProcEntry, ProcFile, SeqFile},
    wait::new_wait_queue,
};

module! {
    type: Test,
    name: "safe_refused",
    authors: ["kmodlab"],
    description: "What must not compile",
    license: "GPL",
}

struct Test;

fn ctx_kept(slot: Arc<Mutex<Option<&'static Ctx>>>) -> Result {
    KThread::run(c_str!("a"), move |ctx| { *slot.lock() = Some(ctx); })?;
    Ok(())
}
fn ctx_returned() -> Result {
    let _ = KThread::run(c_str!("a"), |ctx: &Ctx| ctx)?;
    Ok(())
}
fn ctx_to_another() -> Result {
    let _ = KThread::run(c_str!("a"), |ctx: &Ctx| {
        let _ = KThread::run(c_str!("b"), move |_| ctx.should_stop());
    })?;
    Ok(())
}
fn value_not_send() -> Result {
    let _ = KThread::run(c_str!("a"), |_| core::ptr::null_mut::<u8>())?;
    Ok(())
}
fn closure_not_send(pointer: *mut u8) -> Result {
    let _ = KThread::run(c_str!("a"), move |_| { let p = pointer; !p.is_null() })?;
    Ok(())
}
fn borrows() -> Result {
    let local = 5;
    let _ = KThread::run(c_str!("a"), |_| local + 1)?;
    let _ = KThread::run(c_str!("a"), || &local)?;
    Ok(())
}
fn guard_moves() -> Result {
    let m = Arc::pin_init(new_mutex!(1), GFP_KERNEL)?;
    let g = m.lock();
    let _ = KThread::run(c_str!("a"), move |_| *g)?;
    Ok(())
}
struct Cells(Cell<u32>);
#[vtable]
impl ProcFile for Cells {
    fn show(&self, _out: &mut SeqFile) -> Result { Ok(()) }
}
struct Keeps(Arc<Mutex<Option<SeqFile>>>);
#[vtable]
impl ProcFile for Keeps {
    fn show(&self, out: &mut SeqFile) -> Result { *self.0.lock() = Some(*out); Ok(()) }
}
struct Threads;
#[vtable]
impl ProcFile for Threads {
    fn show(&self, out: &mut SeqFile) -> Result {
        let _ = KThread::run(c_str!("a"), move |_| { use core::fmt::Write; let _ = out.write_str("x"); })?;
        Ok(())
    }
}
fn queue_gone() -> Result {
    let queue = Arc::pin_init(new_wait_queue!(), GFP_KERNEL)?;
    queue.wait_event(|| { drop(queue); true });
    Ok(())
}
fn stopped_through_a_reference(thread: &KThread<()>) -> Result {
    thread.stop()
}
fn ctx_made() -> Ctx { Ctx { _not_send_nor_sync: core::marker::PhantomData } }
fn ctx_cloned() -> Result {
    let _ = KThread::run(c_str!("a"), |ctx: &Ctx| ctx.clone())?;
    Ok(())
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let _ = Arc::new(1, GFP_KERNEL)?;
        Ok(Self)
    }
}
