//! rustdoc, which is installed beside rustc.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::Toolchain;
use super::answers::version_after;
use crate::failure::Failure;
use crate::process::Tool;

/// The rustdoc of the toolchain's rustc.
#[derive(Debug)]
pub struct Rustdoc {
    /// Command line for a recipe of make: `RUSTDOC=`.
    pub command: String,
    /// Version: `1.85.0`.
    pub version: String,
}

impl Toolchain {
    /// Returns the folder with the libraries and tools of the rustc that builds kernels.
    ///
    /// # Errors
    ///
    /// Fails if rustc cannot be started.
    pub fn sysroot(&self) -> Result<PathBuf> {
        let rustc = Tool::new(&self.rustc).args(["--print", "sysroot"]);
        Ok(PathBuf::from(rustc.output()?.trim()))
    }

    /// Returns the rustdoc that belongs to the rustc that builds kernels.
    ///
    /// # Errors
    ///
    /// Fails if rustc cannot be started, or if there is no rustdoc beside it.
    pub fn rustdoc(&self) -> Result<Rustdoc> {
        let rustc = |args: &[&str]| Tool::new(&self.rustc).args(args).output();
        let sysroot = self.sysroot()?;
        let rustdoc = sysroot.join("bin/rustdoc");
        if !rustdoc.is_file() {
            return Err(Failure::host(format!(
                "{} has no rustdoc: there is no {}; a distribution may have it in a package of its \
                 own",
                self.rustc.display(),
                rustdoc.display()
            ))
            .into());
        }
        // A rustc that was unpacked into the cache finds its libraries only by LD_LIBRARY_PATH;
        // for another one the variable changes nothing. rustdoc runs in the kernel's folder of
        // objects, into which RUSTC_ICE=0 prevents it from writing a report of a panic.
        let libraries = sysroot.join("lib");
        let of_debian = libraries.join(format!("{}-linux-gnu", std::env::consts::ARCH));
        Ok(Rustdoc {
            command: format!(
                "env RUSTC_ICE=0 LD_LIBRARY_PATH={}:{} {}",
                of_debian.display(),
                libraries.display(),
                rustdoc.display()
            ),
            version: version_after(&rustc(&["--version"])?, "rustc")
                .context("rustc does not print its version")?,
        })
    }
}
