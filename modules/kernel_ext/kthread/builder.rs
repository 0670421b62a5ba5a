// SPDX-License-Identifier: GPL-2.0

//! The making of a kernel thread, and the memory that the thread and its handle share.

use core::{
    marker::PhantomData,
    mem::{replace, ManuallyDrop},
};

use super::{Ctx, KThread, Thread};
use crate::{
    bindings,
    compat::{char_ptr, ffi, from_err_ptr, kbox, ARef, KBox},
    teardown::{assert_fits_stack, Reserved},
};
use kernel::{c_str, prelude::*, str::CStr, task::Task};

/// The closure of a thread or what became of it: the one piece of memory that the thread and its
/// handle share.
///
/// The two take turns and so need no lock. It is the thread's from when the thread first runs until
/// it has ended, and the handle's before and after. `kthread_stop` returns when the thread has ended
/// and orders the thread's writes before the handle's reads (`wait_for_completion`).
enum Packet<F, T> {
    /// The thread has not run.
    Ready(F),
    /// The thread has begun to run and not returned.
    Running,
    /// The closure has returned this.
    Done(T),
}

/// Calls the closure and leaves its value in the packet: the C function that the thread runs.
///
/// Always returns 0. The kernel returns `-EINTR` in place of the function for a thread stopped
/// before it first ran, and a closure's value must not be taken for that (or be squeezed into an
/// `int`), so it travels in memory.
///
/// # Safety
///
/// `data` points to a `Packet<F, T>` that nobody else touches until this thread has ended. The
/// function is called by a kernel thread.
unsafe extern "C" fn thread_main<F, T>(data: *mut ffi::c_void) -> ffi::c_int
where
    F: FnOnce(&Ctx) -> T,
{
    // SAFETY: By this function's contract the packet is valid, and ours alone while we run.
    let packet = unsafe { &mut *data.cast::<Packet<F, T>>() };
    if let Packet::Ready(func) = replace(packet, Packet::Running) {
        // INVARIANT: This is the kernel thread. The closure cannot keep the reference, since its
        // signature holds for every lifetime, nor give it to another thread, since it is not `Send`.
        let ctx = Ctx {
            _not_send_nor_sync: PhantomData,
        };
        *packet = Packet::Done(func(&ctx));
    }
    0
}

/// Takes the packet of a thread that has ended back, and what it holds out of it.
///
/// # Safety
///
/// `packet` comes from [`KBox::into_raw`] of a `KBox<Packet<F, T>>`, its thread has ended or was
/// never made, and it is not used after this call.
unsafe fn finish<F, T>(packet: *mut ffi::c_void) -> Result<T> {
    // SAFETY: By this function's contract the pointer is a box's, and nobody else has it.
    let mut packet = unsafe { KBox::from_raw(packet.cast::<Packet<F, T>>()) };
    match *packet {
        // The kernel skips the function of a thread that is stopped before it first runs: nobody
        // called the closure, so it is dropped with the box.
        Packet::Ready(_) => Err(EINTR),
        // The closure was called and did not return: an oops killed the thread in the middle.
        Packet::Running => Err(EIO),
        Packet::Done(_) => match replace(&mut *packet, Packet::Running) {
            Packet::Done(value) => Ok(value),
            Packet::Ready(_) | Packet::Running => Err(EIO),
        },
    }
}

/// The name and the node of a thread to make. [`KThread::builder`] returns one.
#[must_use = "a builder makes no thread until `create` or `run` is called"]
pub struct Builder<'a> {
    name: &'a CStr,
    node: Option<i32>,
}

impl Builder<'static> {
    /// Returns a builder of a thread without a name and a node of its own.
    pub(super) fn new() -> Self {
        Self {
            name: c_str!("kthread"),
            node: None,
        }
    }
}

impl<'a> Builder<'a> {
    /// Names the thread; without a name it is called `kthread`.
    ///
    /// Any text will do: it is never taken for a `printf` format. `ps` shows the first 15 bytes or
    /// all of it, depending on where it looks.
    pub fn name(self, name: &'a CStr) -> Self {
        Self { name, ..self }
    }

    /// Puts the thread's own memory (its `task_struct` and its stack) on NUMA node `node`.
    ///
    /// Without it the kernel takes the node that suits it. Which CPU the thread runs on is another
    /// matter and stays open. See `kthread_create_on_node` in C.
    pub fn node(self, node: i32) -> Self {
        Self {
            node: Some(node),
            ..self
        }
    }

    /// Makes the thread; it does not run before [`KThread::start`].
    ///
    /// The closure's captured values, and its result, have at most 1024 bytes each and an alignment of at
    /// most 128, or the module does not compile: both are moved over the kernel's stacks, which have
    /// 16 KiB. Larger data belongs in an [`Arc`](kernel::sync::Arc).
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no such node, or it is offline. `ENOMEM`, `EAGAIN`: too little memory, too
    /// many tasks. `EINTR`: the calling process was killed meanwhile. The closure is dropped then.
    ///
    /// # Context
    ///
    /// Sleeps until `kthreadd`, the kernel's thread that makes the others, has made this one.
    pub fn create<F, T>(self, func: F) -> Result<KThread<T>>
    where
        F: FnOnce(&Ctx) -> T + Send + 'static,
        T: Send + 'static,
    {
        const { assert_fits_stack::<F>() };
        const { assert_fits_stack::<T>() };
        let packet = KBox::into_raw(kbox(Packet::<F, T>::Ready(func))?).cast();
        // SAFETY: The packet is a box's with these types. `F` and `T` are `Send`, so they may go to the
        // thread and come back, and `'static`, so they may do so at any later time.
        unsafe { self.create_with(packet, thread_main::<F, T>, finish::<F, T>) }
    }

    /// Makes a thread that calls `main` with the packet, which is finished if there is an error. It does
    /// not depend on the closure's type, so several threads of a module share its code.
    ///
    /// # Safety
    ///
    /// `packet` comes from [`KBox::into_raw`] of a `KBox<Packet<F, T>>`, and nobody else has it. `main` is
    /// `thread_main::<F, T>`, and `finish` is `finish::<F, T>`. A thread may own an `F` and a `T`.
    unsafe fn create_with<T>(
        self,
        packet: *mut ffi::c_void,
        main: unsafe extern "C" fn(*mut ffi::c_void) -> ffi::c_int,
        finish: unsafe fn(*mut ffi::c_void) -> Result<T>,
    ) -> Result<KThread<T>> {
        let made = Reserved::new().and_then(|reserved| {
            // SAFETY: By this function's contract `main` may be called with the packet, which is valid
            // until `finish`. That is called when the thread has ended, and until then nobody but the
            // thread touches the packet.
            let task = unsafe { self.create_task(packet, main) }?;
            Ok((reserved, task))
        });
        match made {
            Ok((reserved, task)) => {
                // INVARIANT: The task was made with this packet, which has the types that `finish` names.
                let thread = reserved.register(Thread {
                    task,
                    packet,
                    finish,
                });
                Ok(KThread(Some(ManuallyDrop::new(thread))))
            }
            Err(error) => {
                // SAFETY: No thread has the packet. This holds as well after `EINTR`, when one may
                // yet come to life: `kthread` then leaves before it looks at the function or data.
                drop(unsafe { finish(packet) });
                Err(error)
            }
        }
    }

    /// Makes a task that calls `main` with `packet`.
    ///
    /// # Safety
    ///
    /// A kernel thread may call `main` with `packet` at any later time.
    unsafe fn create_task(
        self,
        packet: *mut ffi::c_void,
        main: unsafe extern "C" fn(*mut ffi::c_void) -> ffi::c_int,
    ) -> Result<ARef<Task>> {
        let node = match self.node {
            // The allocator takes a node's number for an index into a table, unchecked.
            //
            // SAFETY: The function takes any number.
            Some(node) if !unsafe { bindings::kernel_ext_node_online(node) } => return Err(EINVAL),
            Some(node) => node,
            None => bindings::NUMA_NO_NODE,
        };
        // SAFETY: By this function's contract. The format is "%s" and takes one string, so whatever
        // stands in the name is printed and not obeyed; both are NUL-terminated.
        let task = unsafe {
            bindings::kthread_create_on_node(
                Some(main),
                packet,
                node,
                char_ptr(c_str!("%s")),
                char_ptr(self.name),
            )
        };
        let task = from_err_ptr(task)?;
        // SAFETY: The task is alive: it waits to be woken for the first time. `Task` is transparent.
        Ok(ARef::from(unsafe { task.cast::<Task>().as_ref() }))
    }

    /// Makes the thread and starts it: [`create`](Self::create), then [`start`](KThread::start).
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    ///
    /// # Context
    ///
    /// Sleeps, as [`create`](Self::create).
    pub fn run<F, T>(self, func: F) -> Result<KThread<T>>
    where
        F: FnOnce(&Ctx) -> T + Send + 'static,
        T: Send + 'static,
    {
        let thread = self.create(func)?;
        thread.start();
        Ok(thread)
    }
}
