// SPDX-License-Identifier: GPL-2.0

//! Everything by which the kernel can still call this module, and its end with the module.
//!
//! A thread and a `/proc` entry run code of the module. Each has a handle, which ends it when it is
//! dropped. But a value can be leaked in safe Rust: by a cycle of `Arc`s, by a panic, by
//! [`core::mem::forget`]. So each is also on a list of the module, and when the kernel is about to free
//! the module's memory, it ends whatever is left (`helpers/teardown.c`). A thread that never returns
//! makes `rmmod` wait; it never runs in freed memory.

use core::{
    mem::{ManuallyDrop, MaybeUninit},
    ptr::{addr_of_mut, NonNull},
};

use crate::{
    bindings,
    compat::{ffi, kbox, KBox},
};
use kernel::prelude::*;

/// A thing by which the kernel calls this module, such as a thread.
///
/// Its `Drop` runs when the thing has been torn down and its handle is gone, so a handle can use it
/// until then.
pub(crate) trait Teardown: Send + Sync {
    /// The value that is left of the thing when it has ended.
    type Value;

    /// The kind of the thing, a `KERNEL_EXT_` constant.
    const KIND: bindings::kernel_ext_kind;

    /// Ends the thing: when this returns, the kernel does not call this module by it any more.
    ///
    /// # Safety
    ///
    /// Called once, in a context that may sleep.
    unsafe fn end(&self);

    /// Returns what is left of the thing.
    ///
    /// # Safety
    ///
    /// Called once, after [`end`](Self::end) has returned, in a context that may sleep.
    unsafe fn take(&self) -> Self::Value;
}

/// The part that a handle and the module's list share.
#[repr(C)]
struct Shared<E: Teardown> {
    /// The first field, so that a pointer to it is one to the whole.
    node: bindings::kernel_ext_registration,
    /// Torn down by the one who claims `node`.
    thing: E,
}

/// The share of a handle in a thing that is on the module's list. Dropping it ends the thing, unless it
/// has ended.
///
/// # Invariants
///
/// The pointer is that of a box whose `node` was given to `kernel_ext_register`. The handle has not left.
pub(crate) struct Registration<E: Teardown>(NonNull<Shared<E>>);

// SAFETY: The thing is `Send` and `Sync`, and of two who want to end it one does (`kernel_ext_end`).
unsafe impl<E: Teardown> Send for Registration<E> {}

// SAFETY: As above; a shared reference gives `&E` only.
unsafe impl<E: Teardown> Sync for Registration<E> {}

/// Memory for a registration, allocated while the thing does not exist yet: nothing can fail afterwards.
pub(crate) struct Reserved<E: Teardown>(KBox<MaybeUninit<Shared<E>>>);

impl<E: Teardown> Reserved<E> {
    /// Allocates the memory. May sleep; returns `ENOMEM` if there is none.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(kbox(MaybeUninit::uninit())?))
    }

    /// Puts a thing on the module's list.
    pub(crate) fn register(self, thing: E) -> Registration<E> {
        let shared = KBox::into_raw(self.0).cast::<Shared<E>>();
        // SAFETY: The memory is a box's of this size, and nobody else has it. Both fields are written
        // before the node is on the list; zeros are a valid node.
        let shared = unsafe {
            addr_of_mut!((*shared).thing).write(thing);
            let node = addr_of_mut!((*shared).node);
            node.write_bytes(0, 1);
            (*node).kind = E::KIND;
            (*node).end = Some(end::<E>);
            (*node).take = Some(take::<E>);
            (*node).free = Some(free::<E>);
            bindings::kernel_ext_register(node);
            NonNull::new_unchecked(shared)
        };
        // INVARIANT: The memory is that of a box, and the node is registered.
        Registration(shared)
    }
}

/// Ends a thing.
///
/// # Safety
///
/// `node` is that of a `Shared<E>`, and this is the only call for it. The context may sleep.
unsafe extern "C" fn end<E: Teardown>(node: *mut bindings::kernel_ext_registration) {
    // SAFETY: By this function's contract; `node` is the first field.
    unsafe { (*node.cast::<Shared<E>>()).thing.end() };
}

/// Writes what is left of a thing to `value`, or drops it if `value` is null.
///
/// # Safety
///
/// `node` is that of a `Shared<E>`. [`end`] has returned for it, and this is the only call. `value` is null
/// or has room for an `E::Value`. The context may sleep.
unsafe extern "C" fn take<E: Teardown>(
    node: *mut bindings::kernel_ext_registration,
    value: *mut ffi::c_void,
) {
    // SAFETY: By this function's contract; `node` is the first field.
    let left = unsafe { (*node.cast::<Shared<E>>()).thing.take() };
    if !value.is_null() {
        // SAFETY: By this function's contract.
        unsafe { value.cast::<E::Value>().write(left) };
    }
}

/// Frees the memory of a thing that has been torn down.
///
/// # Safety
///
/// `node` is that of a `Shared<E>` that both owners have left.
unsafe extern "C" fn free<E: Teardown>(node: *mut bindings::kernel_ext_registration) {
    // SAFETY: By this function's contract; `node` is the first field of what was a box.
    drop(unsafe { KBox::from_raw(node.cast::<Shared<E>>()) });
}

impl<E: Teardown> Registration<E> {
    /// Returns the thing.
    pub(crate) fn get(&self) -> &E {
        // SAFETY: The memory is valid until both owners have left, and by the type invariant the handle has
        // not. `end` and `take` have shared references too.
        unsafe { &self.0.as_ref().thing }
    }

    /// Ends the thing and returns its value; `None` if the module's end does that at this moment, or will
    /// because the stack is nearly used up.
    pub(crate) fn end(self) -> Option<E::Value> {
        let this = ManuallyDrop::new(self);
        let mut value = MaybeUninit::<E::Value>::uninit();
        // SAFETY: By the type invariant the node is registered and the handle has not left; it is neither
        // used nor dropped afterwards. `value` has room for what `take` writes.
        let ended = unsafe {
            bindings::kernel_ext_end(this.0.as_ptr().cast(), value.as_mut_ptr().cast())
        };
        // SAFETY: `kernel_ext_end` returns true only after `take` has written the value.
        ended.then(|| unsafe { value.assume_init() })
    }

    /// Gives up the handle without ending the thing, which ends with the module.
    pub(crate) fn leave_to_the_modules_end(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: By the type invariant the node is registered and the handle has not left; it is neither
        // used nor dropped afterwards.
        unsafe { bindings::kernel_ext_leave(this.0.as_ptr().cast(), 1) }
    }
}

impl<E: Teardown> Drop for Registration<E> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the node is registered and the handle has not left; the handle is
        // being dropped, so this is its only and last use. A null pointer makes `take` drop the value.
        unsafe { bindings::kernel_ext_end(self.0.as_ptr().cast(), core::ptr::null_mut()) };
    }
}

/// Stops the compiler at a value that is too large for the kernel's stacks, which have 16 KiB: on its way
/// to its place it is on a stack up to four times. A value that contains it is larger by its alignment.
pub(crate) const fn assert_fits_stack<T>() {
    assert!(
        core::mem::size_of::<T>() <= MAX_ON_STACK,
        "this value is larger than 1024 bytes; keep the data in an `Arc` or a `KBox`"
    );
    assert!(
        core::mem::align_of::<T>() <= MAX_ALIGNMENT,
        "this value has an alignment of more than 128 bytes; keep the data in an `Arc` or a `KBox`"
    );
}

/// Maximum size in bytes of a value that is moved over the stack.
const MAX_ON_STACK: usize = 1024;

/// Maximum alignment in bytes of such a value: that of data which no two CPUs are to have in one line of their caches.
const MAX_ALIGNMENT: usize = 128;
