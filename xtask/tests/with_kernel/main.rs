//! What takes a kernel: guests that play lessons, pages, bytes.
//!
//! The kernel is the one that `cargo xtask build` has made, and made if it is
//! not there. Whatever else `xtask test` is to be given, another kernel say, is
//! named in the environment:
//!
//! ```sh
//! KMODLAB_TEST_ARGS="--kernel 6.7.9 --kernel-source /tmp/linux-6.7.9" \
//!     cargo test --test with_kernel -- kernel_ext rmmod
//! ```

mod clocks;
mod doc;
mod docs;
mod failures;
mod infrastructure;
mod kernel_ext;
mod lab;
mod qemu;
mod real;
mod replay;
mod reproducible;
mod rmmod;
mod schedules;
mod snapshots;
mod suite;
mod timeline;
mod verdicts;
