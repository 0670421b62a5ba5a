// SPDX-License-Identifier: GPL-2.0

//! Kernel threads.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)
//!
//! A kernel thread here is a closure that runs in a task of its own and a handle to it, [`KThread`],
//! which whoever made the thread keeps. The closure is handed a [`Ctx`], by which it learns that it
//! is asked to end; the handle asks ([`KThread::stop`]) and receives what the closure returned.

mod builder;

use core::{marker::PhantomData, mem::ManuallyDrop, ptr::from_ref};

pub use self::builder::Builder;
use crate::{
    bindings,
    compat::{ffi, ARef},
    teardown::{Registration, Teardown},
};
use kernel::{error::to_result, prelude::*, str::CStr, task::Task};

/// The thread as its closure sees it: a request to end, and nothing else.
///
/// C has functions for this that anybody may call, but which read memory that only a kernel thread
/// has: `kthread_should_stop` called on behalf of a user's process, in a module's init function say,
/// dereferences `NULL`. Here only the closure of a [`KThread`] is given a `&Ctx`, so nobody else can
/// ask.
///
/// # Invariants
///
/// A `Ctx` is created by a kernel thread made by this module and is borrowed only by code that runs
/// in that thread.
pub struct Ctx {
    /// Makes `Ctx` neither `Send` nor `Sync`: `&Ctx` must not reach another thread.
    _not_send_nor_sync: PhantomData<*mut ()>,
}

impl Ctx {
    /// Returns whether the thread should end now: [`KThread::stop`] was called or the handle dropped.
    ///
    /// Whoever stops the thread waits until the closure has returned, for ever if need be. So a
    /// closure that loops asks this every time round. See `kthread_should_stop` in C.
    pub fn should_stop(&self) -> bool {
        // SAFETY: The function reads the `struct kthread` of the current task. By the type
        // invariant we are in a thread that `kthread_create_on_node` made, which has one.
        unsafe { bindings::kthread_should_stop() }
    }

    /// Sleeps until the thread should end, and returns at once if it should already.
    ///
    /// For a thread that has nothing to do any more but must be there for [`KThread::stop`]. In C
    /// this is a loop of `set_current_state(TASK_INTERRUPTIBLE)`, `kthread_should_stop()` and
    /// `schedule()`.
    ///
    /// # Context
    ///
    /// Sleeps.
    pub fn sleep_until_stopped(&self) {
        loop {
            // The state before the look. `kthread_stop` sets its flag before it wakes the thread, and
            // waking makes the thread running again; so if the look misses the flag, `schedule` finds
            // a task that is running and comes back. The other way round the wake-up could come
            // between the look and the state, and the thread would sleep for ever.
            // SAFETY: Every task may write its own state, and by the type invariant the current task is
            // our thread. No code of a module runs between a wait's change of the state and its
            // sleep: see `kernel_ext_sleep_unless`.
            unsafe { bindings::kernel_ext_set_current_state(bindings::TASK_INTERRUPTIBLE) };
            if self.should_stop() {
                break;
            }
            // SAFETY: As for `WaitQueue::wait_event`: we are in a thread, which may sleep, and its stack
            // and closure stay while it does, for only its own return ends it.
            unsafe { bindings::schedule() };
        }
        // SAFETY: As for the other state.
        unsafe { bindings::kernel_ext_set_current_state(bindings::TASK_RUNNING) };
    }
}

/// A thread that `kthread_create_on_node` made, with what belongs to it.
///
/// # Invariants
///
/// - `task` is a task that `kthread_create_on_node` made with `packet` as its data. The reference keeps it
///   valid when the thread ends by itself, before anybody stops it.
/// - `packet` is a `Packet<F, T>` that this value owns once the thread has ended, and `finish` is the
///   function `builder::finish` for the same `F` and `T`.
struct Thread<T> {
    task: ARef<Task>,
    packet: *mut ffi::c_void,
    finish: unsafe fn(*mut ffi::c_void) -> Result<T>,
}

// SAFETY: Any task may stop a kernel thread. The closure is `Send` (`Builder::create` asks for it), so it
// may be dropped by another task than the one that made it, and so is `T`, which goes to whichever task
// stops the thread.
unsafe impl<T> Send for Thread<T> {}

// SAFETY: With a shared reference one can only wake the task, for which the kernel locks.
unsafe impl<T> Sync for Thread<T> {}

impl<T> Teardown for Thread<T> {
    type Value = Result<T>;

    const KIND: bindings::kernel_ext_kind = bindings::kernel_ext_kind_KERNEL_EXT_THREAD;

    unsafe fn end(&self) {
        // SAFETY: By the type invariant we have a reference on the task, so this is fine as well
        // for a thread that has already ended. The integer says less than the packet does: it is 0
        // both for a closure that returned and for one in which the thread was killed.
        unsafe { bindings::kthread_stop(self.as_raw()) };
    }

    unsafe fn take(&self) -> Result<T> {
        // SAFETY: By the type invariant `finish` fits the packet. The thread has ended.
        unsafe { (self.finish)(self.packet) }
    }
}

impl<T> Thread<T> {
    /// Returns the task, as C takes it.
    fn as_raw(&self) -> *mut bindings::task_struct {
        from_ref::<Task>(&self.task).cast_mut().cast()
    }
}

/// A handle to a kernel thread whose closure returns a `T`.
///
/// Dropping the handle stops the thread, as [`stop`](Self::stop) does, and waits until it has ended. A
/// handle that is leaked, in whatever way (a cycle of [`Arc`](kernel::sync::Arc)s, a panic,
/// [`core::mem::forget`]), leaves the thread running; then `rmmod` stops the thread and waits for it, and
/// a line in the kernel's log reports it.
///
/// # Context
///
/// Dropping sleeps until the thread has ended. So do not drop a handle while a spinlock is held, as in
/// `*spinlock.lock() = None`, nor while a mutex is held that the thread takes: in
/// `if let Some(thread) = mutex.lock().take() { .. }` the mutex is held to the end of the braces. Take the
/// handle out first: `let thread = mutex.lock().take();`. The same holds for [`stop`](Self::stop).
///
/// # Remaining hazards
///
/// - Under `CONFIG_PROVE_LOCKING` (`--profile debug`), a leaked thread that uses a lock, a queue or a completion of
///   the module for the first time while `rmmod` stops it makes lockdep report a key that has not been registered, and
///   disable itself, because the kernel no longer counts the memory as a module's.
/// - A closure that never returns makes `stop`, and so the module's removal, wait for ever.
/// - A thread cannot wait for itself: [`stop`](Self::stop) of its own handle fails, and a handle that
///   the thread itself drops is taken as leaked.
/// - Handles can own each other in a chain, each in the closure of the next. When half of the kernel's
///   stack is used up by such a chain, the rest is taken as leaked.
///
/// # Examples
///
/// ```
/// use kernel::{c_str, prelude::*};
/// use kernel_ext::{delay::msleep, kthread::KThread};
///
/// # fn example() -> Result {
/// let mut thread = KThread::run(c_str!("counter"), |ctx| {
///     let mut seconds = 0;
///     while !ctx.should_stop() {
///         msleep(1000);
///         seconds += 1;
///     }
///     seconds
/// })?;
/// let seconds: u32 = thread.stop()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a handle that is dropped stops its thread at once"]
pub struct KThread<T>(
    /// `None` when the thread has been stopped. Only `stop` and `drop` end it.
    Option<ManuallyDrop<Registration<Thread<T>>>>,
);

impl KThread<()> {
    /// Returns a builder for a thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{c_str, prelude::*};
    /// use kernel_ext::kthread::KThread;
    ///
    /// # fn example() -> Result {
    /// let thread = KThread::builder()
    ///     .name(c_str!("answer"))
    ///     .node(0)
    ///     .create(|_ctx| 42)?;
    /// thread.start();
    /// # drop(thread);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> Builder<'static> {
        Builder::new()
    }
}

impl<T: Send + 'static> KThread<T> {
    /// Makes a thread that runs `func`; it does not run before [`start`](Self::start).
    ///
    /// See `kthread_create` in C and [`Builder::create`] for the errors.
    pub fn create<F>(name: &CStr, func: F) -> Result<Self>
    where
        F: FnOnce(&Ctx) -> T + Send + 'static,
    {
        KThread::builder().name(name).create(func)
    }

    /// Makes a thread that runs `func` and starts it.
    ///
    /// The thread may run before this function returns, on this CPU or another: nothing but the
    /// program's own doing orders what the two do from here on.
    ///
    /// See `kthread_run` in C and [`Builder::create`] for the errors.
    pub fn run<F>(name: &CStr, func: F) -> Result<Self>
    where
        F: FnOnce(&Ctx) -> T + Send + 'static,
    {
        KThread::builder().name(name).run(func)
    }
}

impl<T> KThread<T> {
    /// Starts a thread that was only made so far. See `wake_up_process` in C.
    ///
    /// Returns whether the thread was asleep. Called again later, it wakes the thread from whatever it
    /// sleeps in. A sleep or a wait of this crate goes on if its time or event has not come; one of the
    /// `kernel` crate may return early (`CondVar::wait` does).
    pub fn start(&self) -> bool {
        self.0.as_ref().is_some_and(|thread| {
            // SAFETY: By the invariant of `Thread` the task is valid.
            unsafe { bindings::wake_up_process(thread.get().as_raw()) != 0 }
        })
    }

    /// Asks the thread to end, waits until it has, and returns the closure's value.
    ///
    /// Asking makes [`Ctx::should_stop`] true and wakes the thread once. A closure that has returned
    /// of its own accord is fine: its value has been kept. See `kthread_stop` in C.
    ///
    /// # Errors
    ///
    /// - `EINTR`: the thread never ran, since it was asked to stop before it first got a CPU; its
    ///   closure has been dropped uncalled.
    /// - `EIO`: the kernel killed the thread (an oops), and there is no value.
    /// - `ESRCH`: the thread was stopped before.
    /// - `EDEADLK`: the thread stops itself, which has no effect.
    /// - `EBUSY`: the module is being removed, which stops the thread at this moment; or half of the kernel's
    ///   stack is used up, and the thread is taken as leaked.
    ///
    /// # Context
    ///
    /// Sleeps until the thread has ended.
    pub fn stop(&mut self) -> Result<T> {
        let thread = self.0.as_ref().ok_or(ESRCH)?;
        // SAFETY: The function compares the pointer and looks whether we may sleep; it touches no memory
        // of ours.
        to_result(unsafe { bindings::kernel_ext_may_wait_for(thread.get().as_raw()) })?;
        self.0
            .take()
            .and_then(|thread| ManuallyDrop::into_inner(thread).end())
            .unwrap_or(Err(EBUSY))
    }
}

impl<T> Drop for KThread<T> {
    fn drop(&mut self) {
        // Only a thread that drops its own handle still has it after this: `EDEADLK`.
        drop(self.stop());
        if let Some(thread) = self.0.take() {
            ManuallyDrop::into_inner(thread).leave_to_the_modules_end();
        }
    }
}
