//! kmodlab's builder: from a kernel's name and a lesson's text to a verdict.
//!
//! A run is one pipeline, and each stage is a value made from the values
//! before it; no stage reaches back:
//!
//! ```text
//! KernelSpec + Toolchain -> KernelSource -> KernelImage -> Modules
//!     -> Initramfs -> Vm -> Transcript -> Verdict -> Report
//! ```

pub mod apt;
pub mod cache;
pub mod commands;
pub mod failure;
pub mod initramfs;
pub mod kernel;
pub mod key;
pub mod lesson;
pub mod memo;
pub mod modules;
pub mod pipeline;
pub mod process;
pub mod recording;
pub mod report;
pub mod run;
pub mod schedule;
pub mod session;
pub mod symbols;
pub mod temporary;
pub mod text;
pub mod timeline;
pub mod toolchain;
pub mod ui;
pub mod vm;
pub mod workers;
pub mod workspace;
