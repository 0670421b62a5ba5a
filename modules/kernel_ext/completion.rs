// SPDX-License-Identifier: GPL-2.0

//! Completions: waiting until another task reports that something is done.
//!
//! C header: `include/linux/completion.h`, C source: `kernel/sched/completion.c`
//!
//! A completion is a counter with a wait queue. [`Completion::complete`] adds one, and
//! [`Completion::wait`] takes one away, sleeping until there is one. So it does not matter who comes
//! first, and each `complete` lets one waiter through.
//!
//! A waiter sees everything that was written before the `complete` that it took: both take the
//! completion's lock.

use core::ptr::NonNull;

use crate::{
    bindings,
    compat::{ffi, kbox, KBox},
    delay::jiffies,
};
use kernel::{prelude::*, types::Opaque};

/// Something that will be done, and can be waited for.
///
/// Keep it in an [`Arc`](crate::sync::Arc) of which everybody who waits or completes has a clone. In
/// C a completion often lies on the stack of the one who waits, and it takes care (and the lock) to
/// see that the one who completes it is out of `complete` before the stack is gone. Here each owns
/// what it uses.
///
/// # Invariants
///
/// `inner` comes from [`KBox::into_raw`] and is an initialised `struct completion` that stays where
/// it is until the completion is dropped.
///
/// # Stopping a thread that waits
///
/// [`wait`](Self::wait) does not end when its thread is stopped: it is woken, sees that nothing is
/// done, and sleeps on. So complete first and stop then, or wait with a time-out and ask
/// [`should_stop`](crate::kthread::Ctx::should_stop) in between. This holds for a handle that is
/// dropped as well, on the way out of an `init` that fails, say.
///
/// # Examples
///
/// ```
/// use kernel::{c_str, prelude::*};
/// use kernel_ext::{completion::Completion, kthread::KThread, sync::shared};
///
/// # fn example() -> Result {
/// let ready = shared(Completion::new()?)?;
/// let of_thread = ready.clone();
/// let thread = KThread::run(c_str!("worker"), move |_ctx| of_thread.complete())?;
/// ready.wait();
/// # drop(thread);
/// # Ok(())
/// # }
/// ```
pub struct Completion {
    inner: NonNull<Opaque<bindings::completion>>,
}

// SAFETY: A completion belongs to no task: any may wait, complete, or free it when nobody uses it.
unsafe impl Send for Completion {}

// SAFETY: All that can be done with a shared reference is done under the completion's own lock.
unsafe impl Sync for Completion {}

impl Completion {
    /// Makes a completion that is not done. See `init_completion` in C.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is too little memory.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new() -> Result<Self> {
        let inner = KBox::into_raw(kbox(Opaque::<bindings::completion>::uninit())?);
        // SAFETY: The box's memory is ours and large enough, and it is initialised here.
        unsafe { bindings::kernel_ext_init_completion(inner.cast()) };
        // INVARIANT: Just made so. Nobody but `drop` frees the memory.
        Ok(Self {
            // SAFETY: A box's address is not zero.
            inner: unsafe { NonNull::new_unchecked(inner) },
        })
    }

    /// Lets one waiter through: one of those who wait, or who will wait next.
    ///
    /// # Context
    ///
    /// Does not sleep: may be called from anywhere, interrupt handlers included.
    pub fn complete(&self) {
        // SAFETY: By the type invariant the completion is valid, and it is as long as we borrow
        // `self`: whoever is let through cannot free it under our hands.
        unsafe { bindings::complete(self.inner()) }
    }

    /// Lets all waiters through, those to come as well, until [`reinit`](Self::reinit).
    ///
    /// # Context
    ///
    /// Does not sleep. Not for interrupt handlers of a kernel with `CONFIG_PREEMPT_RT`.
    pub fn complete_all(&self) {
        // SAFETY: As for `complete`.
        unsafe { bindings::complete_all(self.inner()) }
    }

    /// Sleeps until one [`complete`](Self::complete) is there to be taken, and takes it.
    ///
    /// Nothing else ends the wait. See `wait_for_completion` in C.
    ///
    /// # Context
    ///
    /// Sleeps.
    pub fn wait(&self) {
        // SAFETY: By the type invariant the completion is valid, and it is as long as we borrow
        // `self`.
        unsafe { bindings::wait_for_completion(self.inner()) }
    }

    /// Waits as [`wait`](Self::wait) does, but for at most `msecs` milliseconds.
    ///
    /// Returns whether a `complete` was taken; `false` means that the time is up. (C's
    /// `wait_for_completion_timeout` returns the time that was left; `false` is its 0.)
    ///
    /// The time-out is as late as [`msleep`](crate::delay::msleep) is, and never early.
    ///
    /// # Context
    ///
    /// Sleeps.
    #[must_use = "only the value shows whether it is done or the time is up"]
    pub fn wait_timeout(&self, msecs: u32) -> bool {
        let ticks = jiffies(msecs) as ffi::c_ulong;
        // SAFETY: As for `wait`.
        unsafe { bindings::wait_for_completion_timeout(self.inner(), ticks) != 0 }
    }

    /// Takes one [`complete`](Self::complete) if there is one, and returns whether it did; does not sleep.
    ///
    /// See `try_wait_for_completion` in C.
    #[must_use = "only the value shows whether it is done"]
    pub fn try_wait(&self) -> bool {
        // SAFETY: As for `wait`.
        unsafe { bindings::try_wait_for_completion(self.inner()) }
    }

    /// Forgets what was completed and not taken, [`complete_all`](Self::complete_all) above all.
    ///
    /// A completion that only `complete` and `wait` are called on needs none of this to be used
    /// again. After `complete_all`, see to it that all waiters are through before: one that was let
    /// through but has not run yet finds nothing done and waits on. See `reinit_completion` in C.
    pub fn reinit(&self) {
        // SAFETY: As for `wait`. The helper takes the lock.
        unsafe { bindings::kernel_ext_reinit_completion(self.inner()) }
    }

    /// Returns the completion, as C takes it.
    fn inner(&self) -> *mut bindings::completion {
        self.inner.as_ptr().cast()
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the pointer is a box's. Nobody waits or completes: all who
        // do so borrow the completion, and nobody borrows what is being dropped.
        drop(unsafe { KBox::from_raw(self.inner.as_ptr()) });
    }
}
