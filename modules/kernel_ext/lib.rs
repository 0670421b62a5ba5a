// SPDX-License-Identifier: GPL-2.0

//! Kernel threads for modules in Rust, as far as the `kernel` crate lacks them.
//!
//! The `kernel` crate grows with the drivers that use it, and so has gaps where none needed a thing
//! yet. This crate fills those that kmodlab's lessons meet. It is linked into each lesson's module;
//! the kernel itself knows nothing of it.
//!
//! What a C book calls it is what it is called here, or one step away from it:
//!
//! | C                                              | Rust                                      |
//! |------------------------------------------------|-------------------------------------------|
//! | `kthread_create(fn, data, name)`               | [`KThread::create`](kthread::KThread::create) |
//! | `kthread_create_on_node(fn, data, node, name)` | [`Builder::node`](kthread::Builder::node) |
//! | `kthread_run(fn, data, name)`                  | [`KThread::run`](kthread::KThread::run)   |
//! | `wake_up_process(task)`                        | [`KThread::start`](kthread::KThread::start) |
//! | `kthread_should_stop()`                        | [`Ctx::should_stop`](kthread::Ctx::should_stop) |
//! | `kthread_stop(task)`                           | [`KThread::stop`](kthread::KThread::stop), or dropping the handle |
//! | `module_param(name, int, 0444)`                | [`module_param!`]                         |
//! | `msleep(ms)`, `ssleep(s)`                      | [`delay::msleep`], [`delay::ssleep`]      |
//!
//! # The order of a module's fields
//!
//! When a module goes, the fields of its struct are dropped in the order in which they are written.
//! Write first that by which others get in from outside, then the threads, then what these share:
//! nothing is torn down while somebody may still use it.
//!
//! # What this crate cannot promise
//!
//! A module's code goes away when the module is unloaded, and Rust's type system does not see that.
//! A module that leaks a handle ([`core::mem::forget`]) and is then removed leaves a thread behind
//! that runs on in freed memory. Keep each handle where the module's exit drops it: in the struct
//! that implements [`kernel::Module`].

// The functions and constants of the kernel's C side that this crate calls, made by bindgen from
// `bindings_helper.h` when the crate is built.
#[allow(
    clippy::all,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub
)]
#[rustfmt::skip]
mod bindings;
mod compat;

pub mod delay;
pub mod kthread;
pub mod param;
