// SPDX-License-Identifier: GPL-2.0

//! Kernel threads.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)
//!
//! A kernel thread here is a closure that runs in a task of its own and a handle to it, [`KThread`],
//! which whoever made the thread keeps. The closure is handed a [`Ctx`], by which it learns that it
//! is asked to end; the handle asks ([`KThread::stop`]) and receives what the closure returned.

use core::{marker::PhantomData, mem::replace, ptr::from_ref};

use crate::{
    bindings,
    compat::{char_ptr, ffi, from_err_ptr, kbox, ARef, KBox},
    teardown::{assert_fits_stack, Registration, Reserved, Teardown},
};
use kernel::{c_str, error::to_result, prelude::*, str::CStr, task::Task};

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
    // In place: a packet on the stack would need room for the closure.
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
    /// The closure's captured values, and its result, have at most 1024 bytes each, or the module does
    /// not compile: both are moved over the kernel's stacks, which have 16 KiB. Larger data belongs in
    /// an [`Arc`](kernel::sync::Arc).
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
        let node = match self.node {
            // The allocator takes a node's number for an index into a table, unchecked.
            //
            // SAFETY: The function takes any number.
            Some(node) if !unsafe { bindings::kernel_ext_node_online(node) } => return Err(EINVAL),
            Some(node) => node,
            None => bindings::NUMA_NO_NODE,
        };
        let reserved = Reserved::new()?;
        let packet: *mut ffi::c_void = KBox::into_raw(kbox(Packet::<F, T>::Ready(func))?).cast();

        // SAFETY: The thread calls `thread_main` with the packet, which is valid until `finish`.
        // That is called when the thread has ended, and until then nobody but the thread touches
        // the packet. `F` and `T` are `Send`, so they may go to the thread and come back, and
        // `'static`, so they may do so at any later time. The format is "%s" and takes one string,
        // so whatever stands in the name is printed and not obeyed; both are NUL-terminated.
        let task = unsafe {
            bindings::kthread_create_on_node(
                Some(thread_main::<F, T>),
                packet,
                node,
                char_ptr(c_str!("%s")),
                char_ptr(self.name),
            )
        };
        let task = match from_err_ptr(task) {
            Ok(task) => task,
            Err(error) => {
                // SAFETY: No thread has the packet. This holds as well after `EINTR`, when one may
                // yet come to life: `kthread` then leaves before it looks at the function or data.
                drop(unsafe { finish::<F, T>(packet) });
                return Err(error);
            }
        };

        // SAFETY: The task is alive: it waits to be woken for the first time. `Task` is transparent.
        let task = ARef::from(unsafe { task.cast::<Task>().as_ref() });

        // INVARIANT: The task was made with this packet, which has the types that `finish` names.
        let thread = reserved.register(Thread {
            task,
            packet,
            finish: finish::<F, T>,
        });
        Ok(KThread(Some(thread)))
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

/// A thread that `kthread_create_on_node` made, with what belongs to it.
///
/// # Invariants
///
/// - `task` is a task that `kthread_create_on_node` made with `packet` as its data. The reference keeps it
///   valid when the thread ends by itself, before anybody stops it.
/// - `packet` is a `Packet<F, T>` that this value owns once the thread has ended, and `finish` is the
///   function `finish` for the same `F` and `T`.
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
    /// `None` when the thread has been stopped.
    Option<Registration<Thread<T>>>,
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
        Builder {
            name: c_str!("kthread"),
            node: None,
        }
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
    /// - `EBUSY`: the module is being removed, which stops the thread at this moment.
    ///
    /// # Context
    ///
    /// Sleeps until the thread has ended.
    pub fn stop(&mut self) -> Result<T> {
        let thread = self.0.as_ref().ok_or(ESRCH)?;
        // SAFETY: The function compares a pointer.
        if unsafe { bindings::kernel_ext_is_current(thread.get().as_raw()) } {
            return to_result(-(bindings::EDEADLK as ffi::c_int)).and(Err(EBUSY));
        }
        // SAFETY: The function looks whether we may sleep, and touches no memory of ours.
        unsafe { bindings::kernel_ext_might_sleep() };
        self.0
            .take()
            .and_then(Registration::end)
            .unwrap_or(Err(EBUSY))
    }
}

impl<T> Drop for KThread<T> {
    fn drop(&mut self) {
        // Only a thread that drops its own handle still has it after this: `EDEADLK`.
        drop(self.stop());
        if let Some(thread) = self.0.take() {
            thread.leave_to_the_modules_end();
        }
    }
}
