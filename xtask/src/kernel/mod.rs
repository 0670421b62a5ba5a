//! Kernels: their specifications, their sources and their build.

pub mod config;
mod configuration;
mod image;
mod kbuild;
mod kconfig;
mod profile;
mod recipe;
pub mod source;
pub mod spec;
mod stubs;
mod symbol_options;
mod version;

use std::ops::Range;

pub use configuration::{AddedOptions, Configuration, OptionSet};
pub use image::{KIND, KernelImage, TARGETS};
pub use kbuild::{ORDER_SECTION, make, make_module, make_modules, own_make_variables};
pub use profile::Profile;
pub use stubs::{Stub, stubs_in};
pub use symbol_options::{MissingSymbol, PCI, exported, missing_symbols, remedy};

/// The addresses of modules (Documentation/arch/x86/x86_64/mm.rst).
pub const MODULE_ADDRESSES: Range<u64> = 0xffff_ffff_a000_0000..0xffff_ffff_ff00_0000;
