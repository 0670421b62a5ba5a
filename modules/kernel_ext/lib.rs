// SPDX-License-Identifier: GPL-2.0

//! Kernel threads, ways to wait, and `/proc` for modules in Rust, where the `kernel` crate lacks them.
//!
//! The `kernel` crate grows with the drivers that use it, and so has gaps where none needed a thing
//! yet. This crate fills those that kmodlab's lessons meet. It is linked into each lesson's module;
//! the kernel itself knows nothing of it.
//!
//! Names are those of books on C, or one step away from them:
//!
//! | C                                              | Rust                                      |
//! |------------------------------------------------|-------------------------------------------|
//! | `kthread_create(fn, data, name)`               | [`KThread::create`](kthread::KThread::create) |
//! | `kthread_create_on_node(fn, data, node, name)` | [`Builder::node`](kthread::Builder::node) |
//! | `kthread_run(fn, data, name)`                  | [`KThread::run`](kthread::KThread::run)   |
//! | `wake_up_process(task)`                        | [`KThread::start`](kthread::KThread::start) |
//! | `kthread_should_stop()`                        | [`Ctx::should_stop`](kthread::Ctx::should_stop) |
//! | `set_current_state(state)`, `schedule()`, until asked to stop | [`Ctx::sleep_until_stopped`](kthread::Ctx::sleep_until_stopped) |
//! | `kthread_stop(task)`                           | [`KThread::stop`](kthread::KThread::stop), or dropping the handle |
//! | `DECLARE_WAIT_QUEUE_HEAD(name)`, `init_waitqueue_head(wq)` | [`new_wait_queue!`](wait::new_wait_queue) |
//! | `wait_event(wq, condition)`                    | [`WaitQueue::wait_event`](wait::WaitQueue::wait_event) |
//! | `io_wait_event(wq, condition)`                 | [`WaitQueue::io_wait_event`](wait::WaitQueue::io_wait_event) |
//! | `wait_event_interruptible(wq, condition)`      | [`WaitQueue::wait_event_interruptible`](wait::WaitQueue::wait_event_interruptible) |
//! | `wait_event_timeout(wq, condition, jiffies)`   | [`WaitQueue::wait_event_timeout`](wait::WaitQueue::wait_event_timeout) |
//! | `wake_up(wq)`, `wake_up_all(wq)`               | [`WaitQueue::wake_up`](wait::WaitQueue::wake_up), [`WaitQueue::wake_up_all`](wait::WaitQueue::wake_up_all) |
//! | `init_completion(x)`                           | [`Completion::new`](completion::Completion::new) |
//! | `complete(x)`, `complete_all(x)`               | [`CompletionExt::complete`](completion::CompletionExt::complete), [`Completion::complete_all`](completion::Completion::complete_all) |
//! | `wait_for_completion(x)`                       | [`Completion::wait_for_completion`](completion::Completion::wait_for_completion) |
//! | `wait_for_completion_timeout(x, jiffies)`      | [`CompletionExt::wait_for_completion_timeout`](completion::CompletionExt::wait_for_completion_timeout) |
//! | `try_wait_for_completion(x)`                   | [`CompletionExt::try_wait_for_completion`](completion::CompletionExt::try_wait_for_completion) |
//! | `reinit_completion(x)`                         | [`CompletionExt::reinit_completion`](completion::CompletionExt::reinit_completion) |
//! | `module_param(name, int, 0444)`                | [`module_param!`]                         |
//! | `module_param_array(name, int, &count, 0444)`  | [`module_param!`] with `[i32; LEN]`       |
//! | `module_param_cb(name, ops, argument, 0200)`   | [`module_param_cb!`]                      |
//! | `msleep(ms)`, `ssleep(s)`                      | [`delay::msleep`], [`delay::ssleep`]      |
//! | `proc_create_data(name, mode, parent, ops, data)` | [`ProcEntry::new`](proc::ProcEntry::new) |
//! | `proc_mkdir(name, parent)`                     | [`ProcDir::new`](proc::ProcDir::new)      |
//! | `proc_remove(entry)`                           | [`ProcEntry::remove`](proc::ProcEntry::remove), or dropping the handle |
//! | `seq_printf(seq, format, ..)`                  | `write!(out, format, ..)` on a [`proc::SeqFile`] |
//!
//! # The order of a module's fields
//!
//! When a module goes, the fields of its struct are dropped in the order in which they are written.
//! Write first that by which others get in from outside, then the threads, then what these share:
//! nothing is torn down while somebody may still use it.
//!
//! # Leaked handles
//!
//! A module's code goes away when the module is unloaded, and Rust's type system does not see that: a
//! handle can be leaked in safe code, and then its `Drop` never runs. So the module itself has a list of
//! its threads and `/proc` entries. Whatever is left of them ends when the module goes, also when its
//! `init` fails, and the kernel's log names it: `rmmod` may wait, but the kernel never runs code that has
//! been freed.
//!
//! A work item of `kernel::workqueue` is not on that list. A module that uses one must itself wait for its
//! last call before it goes, as in C.

// The functions and constants of the kernel's C side that this crate calls, made by bindgen from
// `bindings_helper.h` when the crate is built. Not every kernel needs all of it.
#[allow(
    clippy::all,
    dead_code,
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

pub mod completion;
pub mod delay;
mod errno;
pub mod kthread;
pub mod param;
mod param_array;
pub mod param_cb;
pub mod proc;
mod teardown;
pub mod wait;
