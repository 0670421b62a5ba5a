// SPDX-License-Identifier: GPL-2.0

//! Wait queues: sleeping until something is true.
//!
//! C header: `include/linux/wait.h`, C source: `kernel/sched/wait.c`
//!
//! The waiter gives a condition, a closure; the task that makes the condition true
//! calls [`WaitQueue::wake_up`], and the waiter checks the condition again.
//!
//! # The condition
//!
//! **It must not sleep.** The waiter is marked as asleep *before* it looks at its condition, so that a
//! wake-up that comes between the look and the sleep is not lost: it takes the mark away again. So a
//! condition runs in a task that is no longer `TASK_RUNNING`. Reading atomics is right; a mutex, an
//! allocation or `msleep` is not, and a kernel with `CONFIG_DEBUG_ATOMIC_SLEEP` complains of it.
//!
//! **It must ask whether the thread shall end.** [`KThread::stop`] sets its flag and wakes the thread
//! itself, whatever it waits on. A waiter then looks at its condition and, if that is still false,
//! sleeps on, and whoever stops it waits for ever. So a thread waits for
//! `ready() || ctx.should_stop()`.
//!
//! **How must it read?** Change what the condition reads first, then wake. No wake-up is lost then,
//! whatever the atomics' ordering: the waiter puts itself on the queue, and `wake_up` looks through
//! it, under the queue's lock. Whoever comes second sees what the first has done. `Relaxed` is
//! enough for a value that stands for itself. If it announces that *other* memory is ready, store it
//! with `Release` and load it with `Acquire`: a waiter that finds its condition true at the first
//! look takes no lock at all.
//!
//! [`KThread::stop`]: crate::kthread::KThread::stop

use core::ptr::NonNull;

use crate::{
    bindings,
    compat::{ffi, kbox, KBox},
};
use kernel::{prelude::*, types::Opaque};

/// A queue of those who wait for something to become true. See the [module](self) for what a
/// condition may do.
///
/// # Invariants
///
/// `head` comes from [`KBox::into_raw`] and is an initialised `struct wait_queue_head` that stays
/// where it is until the queue is dropped.
///
/// # Examples
///
/// ```
/// use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
/// use kernel::{c_str, prelude::*};
/// use kernel_ext::{kthread::KThread, sync::shared, wait::WaitQueue};
///
/// struct Shared {
///     wqueue: WaitQueue,
///     i: AtomicI32,
/// }
///
/// # fn example() -> Result {
/// let shared = shared(Shared {
///     wqueue: WaitQueue::new()?,
///     i: AtomicI32::new(0),
/// })?;
/// let of_thread = shared.clone();
/// let thread = KThread::run(c_str!("waiter"), move |ctx| {
///     let i = &of_thread.i;
///     of_thread.wqueue.wait_event(|| i.load(Relaxed) > 3 || ctx.should_stop());
/// })?;
/// shared.i.store(4, Relaxed);
/// shared.wqueue.wake_up();
/// # drop(thread);
/// # Ok(())
/// # }
/// ```
pub struct WaitQueue {
    head: NonNull<Opaque<bindings::wait_queue_head>>,
}

// SAFETY: A queue belongs to no task: any may wait, wake, or free it when nobody uses it.
unsafe impl Send for WaitQueue {}

// SAFETY: All that can be done with a shared reference is done under the queue's own lock.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// Makes an empty queue.
    ///
    /// See `init_waitqueue_head` and, for a global variable, `DECLARE_WAIT_QUEUE_HEAD` in C. The
    /// queue's head is a list that holds its own address, so it lies on the heap and a `WaitQueue`
    /// can be moved.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is too little memory.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new() -> Result<Self> {
        let head = KBox::into_raw(kbox(Opaque::<bindings::wait_queue_head>::uninit())?);
        // SAFETY: The box's memory is ours and large enough for the head, which is initialised here.
        unsafe { bindings::kernel_ext_init_waitqueue_head(Opaque::raw_get(head)) };
        // INVARIANT: Just made so. Nobody but `drop` frees the memory.
        Ok(Self {
            // SAFETY: A box's address is not zero.
            head: unsafe { NonNull::new_unchecked(head) },
        })
    }

    /// Sleeps until `condition` is true; returns at once if it is.
    ///
    /// Neither a signal nor anything else ends the wait. See `wait_event` in C, and the
    /// [module](self) for what a condition may do.
    ///
    /// # Context
    ///
    /// Sleeps.
    pub fn wait_event(&self, condition: impl FnMut() -> bool) {
        // SAFETY: `schedule` may be called by a task that may sleep.
        let sleep = || unsafe { bindings::schedule() };
        // An uninterruptible wait ends with its condition and gives no error.
        let _ = self.wait(bindings::TASK_UNINTERRUPTIBLE, condition, sleep);
    }

    /// Waits as [`wait_event`](Self::wait_event) does, and counts the time as waiting for input or output.
    ///
    /// This is a matter of bookkeeping: `/proc/stat` counts the task as `procs_blocked`, and an idle
    /// CPU's time goes to `iowait` (`wa` in `top`). See `io_wait_event` in C.
    ///
    /// # Context
    ///
    /// Sleeps.
    pub fn io_wait_event(&self, condition: impl FnMut() -> bool) {
        // SAFETY: As for `schedule` in `wait_event`.
        let sleep = || unsafe { bindings::io_schedule() };
        let _ = self.wait(bindings::TASK_UNINTERRUPTIBLE, condition, sleep);
    }

    /// Waits as [`wait_event`](Self::wait_event) does, but a signal ends the wait.
    ///
    /// For a kernel thread a request to end counts as a signal that stays: once
    /// [`KThread::stop`](crate::kthread::KThread::stop) was called, a wait whose condition is false
    /// fails at once, each time. See `wait_event_interruptible` in C.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS`: there was a signal, and the condition was false at the last look.
    ///
    /// # Context
    ///
    /// Sleeps.
    pub fn wait_event_interruptible(&self, condition: impl FnMut() -> bool) -> Result {
        // SAFETY: As for `schedule` in `wait_event`.
        let sleep = || unsafe { bindings::schedule() };
        self.wait(bindings::TASK_INTERRUPTIBLE, condition, sleep)
    }

    /// Sleeps until `condition` is true, but no longer than `msecs` milliseconds.
    ///
    /// Returns whether the condition was true at the last look; `false` means that the time is up. (C's
    /// `wait_event_timeout` returns the time that was left; `false` is its 0.)
    ///
    /// The kernel counts in ticks, `CONFIG_HZ` of them a second, of which the first has already
    /// begun: the time-out can come up to one tick early, and some ticks late if it is a long one.
    /// 2<sup>31</sup> milliseconds (24 days) and more are for ever.
    ///
    /// # Context
    ///
    /// Sleeps.
    pub fn wait_event_timeout(&self, msecs: u32, mut condition: impl FnMut() -> bool) -> bool {
        // SAFETY: The function takes any number.
        let jiffies = unsafe { bindings::__msecs_to_jiffies(msecs) };
        // At most `MAX_JIFFY_OFFSET`, half of the largest `long`.
        let left = core::cell::Cell::new(jiffies as ffi::c_long);
        let mut holds = false;
        let look = || {
            holds = condition();
            holds || left.get() == 0
        };
        // SAFETY: As for `schedule` in `wait_event`; the number is not negative, for it began so
        // and the function never gives a negative one back.
        let sleep = || left.set(unsafe { bindings::schedule_timeout(left.get()) });
        let _ = self.wait(bindings::TASK_UNINTERRUPTIBLE, look, sleep);
        holds
    }

    /// Wakes all who wait here, to look at their conditions.
    ///
    /// Change what the conditions read *before* this call. As in C, where `wake_up` wakes at most
    /// one of those that wait exclusively and all others: no method of this queue waits exclusively.
    ///
    /// # Context
    ///
    /// Does not sleep: may be called from anywhere, interrupt handlers included.
    pub fn wake_up(&self) {
        self.wake(1);
    }

    /// Wakes all who wait here, exclusively or not. See `wake_up_all` in C.
    ///
    /// # Context
    ///
    /// As [`wake_up`](Self::wake_up).
    pub fn wake_up_all(&self) {
        self.wake(0);
    }

    /// Wakes those who do not wait exclusively and `exclusive` of the others, 0 for all of them.
    fn wake(&self, exclusive: ffi::c_int) {
        // SAFETY: By the type invariant the head is valid, and it is as long as we borrow `self`.
        // The key is for wake functions that look at it; `autoremove_wake_function`, which is that
        // of all our entries, does not.
        unsafe {
            bindings::__wake_up(
                self.head(),
                bindings::TASK_NORMAL,
                exclusive,
                core::ptr::null_mut(),
            )
        };
    }

    /// C's `___wait_event`: waits in `state` for `condition`, by `sleep` over and over.
    fn wait(
        &self,
        state: u32,
        mut condition: impl FnMut() -> bool,
        mut sleep: impl FnMut(),
    ) -> Result {
        // SAFETY: The function looks whether we may sleep, and touches no memory of ours.
        unsafe { bindings::kernel_ext_might_sleep() };
        if condition() {
            return Ok(());
        }

        let head = self.head();
        let entry = Opaque::<bindings::wait_queue_entry>::uninit();
        // SAFETY: The entry's memory is ours, and it is initialised here.
        unsafe { bindings::init_wait_entry(entry.get(), 0) };
        loop {
            // SAFETY: By the type invariant the head is valid, and the entry is initialised. It may
            // be linked into the queue here, and is out of it again before this function returns:
            // by `finish_wait`, or by this very function when it gives an error. Until then it is
            // not moved. A panic does not leave it: in the kernel it kills the machine or this task, and
            // never unwinds.
            let interrupted =
                unsafe { bindings::prepare_to_wait_event(head, entry.get(), state as ffi::c_int) };

            // The task is in `state` from here on, and whoever wakes it makes it running again. So
            // a change that this look misses is followed by a wake-up that `sleep` heeds.
            if condition() {
                break;
            }
            if interrupted != 0 {
                return Err(ERESTARTSYS);
            }
            sleep();
        }
        // SAFETY: Both are as above. Whoever wakes us at this moment holds the queue's lock or has
        // already unlinked the entry, and does not touch it any more.
        unsafe { bindings::finish_wait(head, entry.get()) };
        Ok(())
    }

    /// Returns the queue's head, as C takes it.
    fn head(&self) -> *mut bindings::wait_queue_head {
        Opaque::raw_get(self.head.as_ptr())
    }
}

impl Drop for WaitQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the pointer is a box's. Nobody waits here or wakes: all who
        // do so borrow the queue, and nobody borrows what is being dropped.
        drop(unsafe { KBox::from_raw(self.head.as_ptr()) });
    }
}
