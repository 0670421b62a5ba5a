// SPDX-License-Identifier: GPL-2.0

//! Wait queues: sleeping until something is true.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)
//!
//! The waiter gives a condition, a closure; the task that makes the condition true
//! calls [`WaitQueue::wake_up`], and the waiter checks the condition again.
//!
//! # The condition
//!
//! The waiter looks at its condition, and then sleeps unless somebody has called `wake_up` since before
//! the look. So no wake-up is lost, and the condition runs in a task that is awake: unlike a condition of
//! C's `wait_event`, it may lock a mutex, allocate or sleep. In C the waiter is in the queue while it
//! looks; here it is in the queue only while it sleeps, so that a condition that panics leaves nothing of
//! its stack behind there.
//!
//! **It must ask whether the thread shall end.** [`KThread::stop`] sets its flag and wakes the thread
//! itself, whatever it waits on. A waiter then looks at its condition and, if that is still false,
//! sleeps on, and whoever stops it waits for ever. So a thread waits for
//! `ready() || ctx.should_stop()`.
//!
//! **How must it read?** Change what the condition reads first, then wake. No wake-up is lost then,
//! whatever the atomics' ordering: `wake_up` counts before it looks for waiters, and a waiter that sees
//! the count sees what was changed before. `Relaxed` is enough for a value that stands for itself. If it
//! announces that *other* memory is ready, store it with `Release` and load it with `Acquire`: a waiter
//! that finds its condition true at the first look does not ask for the count.
//!
//! [`KThread::stop`]: crate::kthread::KThread::stop

use core::{
    marker::PhantomPinned,
    ptr::from_ref,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    bindings,
    compat::{char_ptr, ffi, LockClass},
    delay::{jiffies, Msecs},
};
use kernel::{prelude::*, str::CStr, sync::LockClassKey, types::Opaque};

/// Returns an initialiser of a [`WaitQueue`] with a lockdep class of its own, and a name for lockdep's
/// reports, which is the place in the source unless one is given.
///
/// # Examples
///
/// See [`WaitQueue`].
#[macro_export]
macro_rules! new_wait_queue {
    ($($name:literal)?) => {
        $crate::wait::WaitQueue::new(
            ::kernel::optional_name!($($name)?),
            ::kernel::static_lock_class!(),
        )
    };
}
pub use new_wait_queue;

/// A queue of those who wait for something to become true. See the [module](self) for what a
/// condition must do.
///
/// The queue is a list that holds its own address, so it cannot be moved once it is made; hence the
/// initialisers. [`new_wait_queue!`] returns one.
///
/// # Examples
///
/// ```
/// use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
/// use kernel::{c_str, prelude::*, sync::Arc};
/// use kernel_ext::{
///     kthread::KThread,
///     wait::{new_wait_queue, WaitQueue},
/// };
///
/// #[pin_data]
/// struct Shared {
///     #[pin]
///     wqueue: WaitQueue,
///     i: AtomicI32,
/// }
///
/// # fn example() -> Result {
/// let shared = Arc::pin_init(
///     pin_init!(Shared {
///         wqueue <- new_wait_queue!(),
///         i: AtomicI32::new(0),
///     }),
///     GFP_KERNEL,
/// )?;
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
#[pin_data]
pub struct WaitQueue {
    #[pin]
    head: Opaque<bindings::wait_queue_head>,
    /// The number of wake-ups so far.
    wake_ups: AtomicU32,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: A queue belongs to no task: any may wait, wake, or free it when nobody uses it.
unsafe impl Send for WaitQueue {}

// SAFETY: All that can be done with a shared reference is done under the queue's own lock.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// Returns an initialiser of an empty queue. [`new_wait_queue!`] calls this.
    ///
    /// See `init_waitqueue_head` and, for a global variable, `DECLARE_WAIT_QUEUE_HEAD` in C.
    pub fn new(name: &'static CStr, key: LockClass) -> impl PinInit<Self> {
        pin_init!(Self {
            head <- Opaque::ffi_init(|slot: *mut bindings::wait_queue_head| {
                let key = from_ref::<LockClassKey>(&*key).cast_mut().cast();
                // SAFETY: The memory is that of a head, and is initialised here. The name and the key,
                // whose type is a transparent one around C's, are static.
                unsafe { bindings::__init_waitqueue_head(slot, char_ptr(name), key) }
            }),
            wake_ups: AtomicU32::new(0),
            _pin: PhantomPinned,
        })
    }

    /// Sleeps until `condition` is true; returns at once if it is.
    ///
    /// Neither a signal nor anything else ends the wait. See `wait_event` in C, and the
    /// [module](self) for what a condition must do.
    ///
    /// # Context
    ///
    /// Sleeps.
    pub fn wait_event(&self, condition: impl FnMut() -> bool) {
        // An uninterruptible wait without a limit ends with its condition.
        let _ = self.wait(Sleep::UNINTERRUPTIBLE, condition);
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
        let sleep = Sleep {
            io: true,
            ..Sleep::UNINTERRUPTIBLE
        };
        let _ = self.wait(sleep, condition);
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
        let sleep = Sleep {
            state: bindings::TASK_INTERRUPTIBLE,
            ..Sleep::UNINTERRUPTIBLE
        };
        self.wait(sleep, condition).map(|_| ())
    }

    /// Sleeps until `condition` is true, but no longer than `timeout` milliseconds.
    ///
    /// Returns whether the condition was true at the last look; `false` means that the time is up. (C's
    /// `wait_event_timeout` returns the time that was left; `false` is its 0.)
    ///
    /// The time-out is as late as [`msleep`](crate::delay::msleep) is, and never early.
    ///
    /// # Context
    ///
    /// Sleeps.
    pub fn wait_event_timeout(&self, timeout: Msecs, condition: impl FnMut() -> bool) -> bool {
        let sleep = Sleep {
            left: jiffies(timeout),
            ..Sleep::UNINTERRUPTIBLE
        };
        self.wait(sleep, condition) == Ok(true)
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
        // Before the kernel looks for waiters: see `wait`.
        self.wake_ups.fetch_add(1, Ordering::Release);
        // SAFETY: The head is initialised, and valid as long as we borrow `self`.
        // The key is for wake functions that look at it; `autoremove_wake_function`, which is that
        // of all our entries, does not.
        unsafe {
            bindings::__wake_up(
                self.head.get(),
                bindings::TASK_NORMAL,
                exclusive,
                core::ptr::null_mut(),
            )
        };
    }

    /// Waits for `condition`, with one `sleep` after the other. Returns whether the condition was true at
    /// the last look; it was not if the time is up.
    ///
    /// A wake-up between the look and the sleep is not lost. The waker changes what the condition reads,
    /// counts, and takes the queue's lock to look for waiters. The waiter reads the count, looks, and
    /// takes the lock to enter the queue, and then sleeps if the count is as before. If the waker had the
    /// lock first, the waiter finds another count. If the waiter had it first, the waker finds the waiter.
    /// A look after the count has changed sees the change.
    fn wait(&self, mut sleep: Sleep, mut condition: impl FnMut() -> bool) -> Result<bool> {
        // SAFETY: The function looks whether we may sleep, and touches no memory of ours.
        unsafe { bindings::kernel_ext_might_sleep() };
        if condition() {
            return Ok(true);
        }
        let mut interrupted = false;
        loop {
            let seen = self.wake_ups.load(Ordering::Acquire);
            // SAFETY: The function reads the current task.
            let stopping = unsafe { bindings::kernel_ext_is_stopping() };
            if condition() {
                return Ok(true);
            }
            if interrupted {
                return Err(ERESTARTSYS);
            }
            if sleep.left == 0 {
                return Ok(false);
            }
            // SAFETY: The head is initialised and valid. The entry is the function's own, and is
            // out of the queue again when it returns; meanwhile it calls no code of this module. The
            // count is read only.
            let status = unsafe {
                bindings::kernel_ext_sleep_unless(
                    self.head.get(),
                    self.wake_ups.as_ptr(),
                    seen,
                    stopping,
                    sleep.state,
                    sleep.io,
                    &mut sleep.left,
                )
            };
            interrupted = status != 0;
        }
    }
}

/// The way in which a waiter sleeps.
struct Sleep {
    /// The task's state.
    state: u32,
    /// Whether the time counts as waiting for input or output.
    io: bool,
    /// The ticks that are left.
    left: ffi::c_long,
}

impl Sleep {
    /// Until it is woken; the ticks are `MAX_SCHEDULE_TIMEOUT`, which do not pass.
    const UNINTERRUPTIBLE: Self = Self {
        state: bindings::TASK_UNINTERRUPTIBLE,
        io: false,
        left: ffi::c_long::MAX,
    };
}
