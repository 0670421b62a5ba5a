//! Tests that need a kernel: they boot guests, make kernel_ext's pages, or
//! compare what two builds make.
//!
//! The kernel is the one that `cargo xtask build` builds. `KMODLAB_TEST_ARGS`
//! holds more options for `xtask test`, for example those of another kernel:
//!
//! ```sh
//! KMODLAB_TEST_ARGS="--kernel 6.7.9 --kernel-source /tmp/linux-6.7.9" \
//!     cargo test --test with_kernel -- kernel_ext rmmod
//! ```

mod agent;
mod by_hand;
mod cache;
mod clocks;
mod complaints;
mod dashes;
mod data_races;
mod doc;
mod docs;
mod exercises;
mod failures;
mod grading;
mod ide;
mod infrastructure;
mod kernel_delays;
mod kernel_ext;
mod lab;
mod learn;
mod left_behind;
mod machines;
mod narrow;
mod options;
mod output;
mod pack;
mod projects;
mod qemu;
mod real;
mod replay;
mod reproducible;
mod rmmod;
mod sandbox;
mod schedules;
mod scripts;
mod settings;
mod snapshots;
mod soundness;
mod style;
mod suite;
mod timeline;
mod verdicts;
mod weak_memory;
