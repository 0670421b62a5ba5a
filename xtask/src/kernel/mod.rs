//! Kernels: which there are, where their sources come from, how one is built.

pub mod config;
mod image;
mod kbuild;
mod kconfig;
pub mod source;
pub mod spec;

pub use image::{KernelImage, TARGETS};
pub use kbuild::make;
