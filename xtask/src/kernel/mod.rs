//! Kernels: their specifications, their sources and their build.

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
