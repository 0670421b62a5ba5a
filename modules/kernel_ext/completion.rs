// SPDX-License-Identifier: GPL-2.0

//! Completions: waiting until another task reports that something is done.
//!
//! C header: [`include/linux/completion.h`](srctree/include/linux/completion.h)
//!
//! Reference: <https://docs.kernel.org/scheduler/completion.html>
//!
//! A completion is a counter with a wait queue. [`complete`](CompletionExt::complete) adds one, and
//! [`wait_for_completion`](Completion::wait_for_completion) takes one away, sleeping until there is one.
//! So it does not matter who comes first, and each `complete` lets one waiter through.
//! [`complete_all`](Completion::complete_all) lets all through, those to come as well.
//!
//! A waiter sees everything that was written before the `complete` that it took: both take the
//! completion's lock.
//!
//! [`Completion`] is the `kernel` crate's own type where the kernel has it (7.3). [`CompletionExt`] has
//! the functions of C that this type lacks.
//!
//! # Where a completion lives
//!
//! Keep it in an [`Arc`](kernel::sync::Arc) of which everybody who waits or completes has a clone. In
//! C a completion often lies on the stack of the one who waits, and it takes care (and the lock) to
//! see that the one who completes it is out of `complete` before the stack is gone. Here each owns
//! what it uses.
//!
//! # Stopping a thread that waits
//!
//! [`wait_for_completion`](Completion::wait_for_completion) does not end when its thread is stopped: it
//! is woken, sees that nothing is done, and sleeps on. So complete first and stop then, or wait with a
//! time-out and ask [`should_stop`](crate::kthread::Ctx::should_stop) in between. This holds for a handle
//! that is dropped as well, on the way out of an `init` that fails, say.
//!
//! # Examples
//!
//! ```
//! use kernel::{c_str, prelude::*, sync::Arc};
//! use kernel_ext::{
//!     completion::{Completion, CompletionExt},
//!     kthread::KThread,
//! };
//!
//! # fn example() -> Result {
//! let ready = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
//! let of_thread = ready.clone();
//! let thread = KThread::run(c_str!("worker"), move |_ctx| of_thread.complete())?;
//! ready.wait_for_completion();
//! # drop(thread);
//! # Ok(())
//! # }
//! ```

use core::{mem::size_of, ptr::from_ref};

use crate::{
    bindings,
    compat::ffi,
    delay::{jiffies, Msecs},
};

pub use crate::compat::Completion;

/// The functions of C's completions that [`Completion`] lacks.
pub trait CompletionExt {
    /// Lets one waiter through: one of those who wait, or who will wait next.
    ///
    /// # Context
    ///
    /// Does not sleep: may be called from anywhere, interrupt handlers included.
    fn complete(&self);

    /// Waits as [`wait_for_completion`](Completion::wait_for_completion) does, but for at most `timeout`
    /// milliseconds.
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
    fn wait_for_completion_timeout(&self, timeout: Msecs) -> bool;

    /// Takes one [`complete`](Self::complete) if there is one, and returns whether it did; does not sleep.
    #[must_use = "only the value shows whether it is done"]
    fn try_wait_for_completion(&self) -> bool;

    /// Forgets what was completed and not taken, [`complete_all`](Completion::complete_all) above all.
    ///
    /// A completion that only `complete` and `wait_for_completion` are called on needs none of this to be
    /// used again. After `complete_all`, see to it that all waiters are through before: one that was let
    /// through but has not run yet finds nothing done and waits on.
    fn reinit_completion(&self);
}

impl CompletionExt for Completion {
    fn complete(&self) {
        // SAFETY: The completion is initialised, and valid as long as we borrow `self`: whoever is let
        // through cannot free it under our hands.
        unsafe { bindings::complete(as_raw(self)) }
    }

    fn wait_for_completion_timeout(&self, timeout: Msecs) -> bool {
        let ticks = jiffies(timeout) as ffi::c_ulong;
        // SAFETY: As for `complete`.
        unsafe { bindings::wait_for_completion_timeout(as_raw(self), ticks) != 0 }
    }

    fn try_wait_for_completion(&self) -> bool {
        // SAFETY: As for `complete`.
        unsafe { bindings::try_wait_for_completion(as_raw(self)) }
    }

    fn reinit_completion(&self) {
        // SAFETY: As for `complete`. The helper takes the lock.
        unsafe { bindings::kernel_ext_reinit_completion(as_raw(self)) }
    }
}

/// Returns the completion, as C takes it.
fn as_raw(completion: &Completion) -> *mut bindings::completion {
    // The type's only field with a size is `Opaque<bindings::completion>`. As that fills the type, it
    // begins where the type does.
    const { assert!(size_of::<Completion>() == size_of::<bindings::completion>()) };
    from_ref(completion).cast_mut().cast()
}
