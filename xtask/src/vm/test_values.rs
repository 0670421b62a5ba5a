//! Values for unit tests of guests.

use std::path::PathBuf;

use crate::kernel::{KernelImage, Profile};
use crate::key::Inputs;
use crate::toolchain::Toolchain;

/// Returns tools without files.
pub fn toolchain() -> Toolchain {
    Toolchain {
        rustc: PathBuf::new(),
        rust_lib_src: PathBuf::new(),
        bindgen: PathBuf::new(),
        llvm_bin: PathBuf::new(),
        libclang: PathBuf::new(),
        qemu: PathBuf::from("qemu"),
        busybox: PathBuf::new(),
        identity: String::new(),
        qemu_has_sandbox: true,
        qemu_version: "7.2.0".to_owned(),
    }
}

/// Returns a kernel without files, with the key of this name.
pub fn kernel(key: &str) -> KernelImage {
    KernelImage {
        kernel: "6.12".to_owned(),
        version: "6.12.1".to_owned(),
        tree: PathBuf::new(),
        objects: PathBuf::from("kernel"),
        profile: Profile::Teaching,
        key: Inputs::new(key).key(),
        cached: true,
    }
}
