// SPDX-License-Identifier: GPL-2.0

//! `insmod` moves alarms to a list of its own and rings them, while a thread removes one of them from the
//! list that it was in.

use core::{
    cell::Cell,
    ptr::null,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use kernel::{
    c_str, new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use kernel_ext::{
    completion::{Completion, CompletionExt},
    kthread::KThread,
};

module! {
    type: UnsafeListMend,
    name: "unsafe_list_mend",
    authors: ["kmodlab"],
    description: "A list that two tasks unlink from",
    license: "GPL",
}

struct UnsafeListMend;

struct Alarm {
    in_list: Cell<bool>,
    previous: Cell<*const Alarm>,
    next: Cell<*const Alarm>,
    /// Number of times that the alarm was rung or cancelled.
    handled: AtomicU32,
}

// SAFETY: Only the owner of a list uses the links of the alarms in it.
unsafe impl Send for Alarm {}

// SAFETY: Only the owner of a list uses the links of the alarms in it.
unsafe impl Sync for Alarm {}

impl Alarm {
    const fn new() -> Self {
        Self {
            in_list: Cell::new(false),
            previous: Cell::new(null()),
            next: Cell::new(null()),
            handled: AtomicU32::new(0),
        }
    }
}

/// A list of alarms, whose links are in the alarms.
struct List {
    first: *const Alarm,
}

// SAFETY: The pointers are those of alarms, which are `Send` and `Sync`.
unsafe impl Send for List {}

impl List {
    const fn new() -> Self {
        Self { first: null() }
    }

    /// Adds an alarm at the beginning.
    ///
    /// # Safety
    ///
    /// The alarm is in no list. It stays at its address while it is in this one.
    unsafe fn push(&mut self, alarm: &Alarm) {
        alarm.in_list.set(true);
        alarm.previous.set(null());
        alarm.next.set(self.first);
        // SAFETY: An alarm in a list exists.
        if let Some(next) = unsafe { self.first.as_ref() } {
            next.previous.set(alarm);
        }
        self.first = alarm;
    }

    /// Removes the first alarm and returns it.
    ///
    /// # Safety
    ///
    /// The alarm exists while the result is used.
    unsafe fn pop<'a>(&mut self) -> Option<&'a Alarm> {
        // SAFETY: An alarm in a list exists, and longer by the contract.
        let alarm = unsafe { self.first.as_ref()? };
        self.first = alarm.next.get();
        // SAFETY: An alarm in a list exists.
        if let Some(next) = unsafe { self.first.as_ref() } {
            next.previous.set(null());
        }
        alarm.in_list.set(false);
        Some(alarm)
    }

    /// Removes an alarm. Returns false if it is in no list.
    ///
    /// # Safety
    ///
    /// The alarm is in this list or in none.
    unsafe fn remove(&mut self, alarm: &Alarm) -> bool {
        if !alarm.in_list.get() {
            return false;
        }
        let (previous, next) = (alarm.previous.get(), alarm.next.get());
        // SAFETY: An alarm in a list exists.
        match unsafe { previous.as_ref() } {
            Some(previous) => previous.next.set(next),
            None => self.first = next,
        }
        // SAFETY: An alarm in a list exists.
        if let Some(next) = unsafe { next.as_ref() } {
            next.previous.set(previous);
        }
        alarm.in_list.set(false);
        true
    }
}

#[pin_data]
struct Shared {
    alarms: [Alarm; 3],
    #[pin]
    set: Mutex<List>,
    #[pin]
    done: Completion,
}

#[inline(never)]
fn ring_all(shared: &Shared) {
    // TODO 1: take the alarms out of the list so that `cancel` keeps its promise.
    //@ 1 {
    // SAFETY: The alarms are in `shared`. The lock is released before the result is used.
    let pop = || unsafe { shared.set.lock().pop() };
    while let Some(alarm) = pop() {
        alarm.handled.fetch_add(1, Relaxed);
    }
    //@ 1 } instead: // The lock is released at the end of this statement.
    //@ 1 {
    //@ 1 } instead: let mut due = core::mem::replace(&mut *shared.set.lock(), List::new());
    //@ 1 {
    //@ 1 } instead: // SAFETY: The alarms are in `shared`.
    //@ 1 {
    //@ 1 } instead: while let Some(alarm) = unsafe { due.pop() } {
    //@ 1 {
    //@ 1 } instead:     alarm.handled.fetch_add(1, Relaxed);\n}
}

#[inline(never)]
fn cancel(shared: &Shared, alarm: &Alarm) {
    let mut set = shared.set.lock();
    // SAFETY: The alarm is in this list, or was removed from it.
    if unsafe { set.remove(alarm) } {
        alarm.handled.fetch_add(1, Relaxed);
    }
}

impl kernel::Module for UnsafeListMend {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                alarms: [Alarm::new(), Alarm::new(), Alarm::new()],
                set <- new_mutex!(List::new()),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        for alarm in &shared.alarms {
            // SAFETY: The alarm is new. `shared` does not move, and lives until both tasks are done.
            unsafe { shared.set.lock().push(alarm) };
        }
        let for_thread = shared.clone();
        let _thread = KThread::run(c_str!("canceller"), move |_ctx| {
            cancel(&for_thread, &for_thread.alarms[1]);
            for_thread.done.complete();
        })?;
        ring_all(&shared);
        shared.done.wait_for_completion();
        let [a, b, c] = [0, 1, 2].map(|index: usize| shared.alarms[index].handled.load(Relaxed));
        pr_info!("the alarms were handled {a}, {b} and {c} times\n");
        Ok(UnsafeListMend)
    }
}
