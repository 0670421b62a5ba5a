//! kmodlab builds kernels with Rust, and tests kernel modules in guests.
//!
//! A run is a pipeline. Each stage makes a value from the values before it, and no stage calls
//! an earlier one:
//!
//! ```text
//! KernelSpec + Toolchain -> KernelSource -> KernelImage -> Modules -> Initramfs
//!     -> Snapshot -> Run -> Verdict -> Report
//! ```
//!
//! `docs/architecture.md` is the map: read it before the code.

// They panic if the reader has gone: see `streams`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod apt;
pub mod cache;
pub mod cli;
pub mod commands;
mod embedded;
pub mod exercise;
pub mod failure;
pub mod grading;
pub mod host;
pub mod ide;
pub mod initramfs;
pub mod kernel;
pub mod key;
pub mod learn;
pub mod lesson;
pub mod memo;
pub mod modules;
pub mod pack;
pub mod pipeline;
pub mod process;
pub mod program;
pub mod project;
pub mod recording;
pub mod report;
pub mod run;
pub mod schedule;
pub mod session;
pub mod streams;
pub mod symbols;
pub mod temporary;
pub mod text;
pub mod timeline;
pub mod toolchain;
pub mod ui;
pub mod vm;
mod whole_file;
pub mod workers;
pub mod workspace;
