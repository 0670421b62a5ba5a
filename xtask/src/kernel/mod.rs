//! Kernels: which there are, where their sources come from, how one is built.

pub mod source;
pub mod spec;
