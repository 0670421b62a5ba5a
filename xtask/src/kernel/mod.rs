//! Kernels: which there are, where their sources come from, how one is built.

pub mod config;
mod image;
mod kbuild;
mod kconfig;
mod profile;
pub mod source;
pub mod spec;

pub use image::{KernelImage, TARGETS};
pub use kbuild::make;
pub use profile::Profile;
