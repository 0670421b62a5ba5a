//! rustdoc, which every rustc has beside it.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::Toolchain;
use super::answers::version_after;
use crate::failure::Failure;
use crate::process::Tool;

/// The rustdoc of the toolchain's rustc.
#[derive(Debug)]
pub struct Rustdoc {
    /// `RUSTDOC=`: a command line, as a recipe of make has it.
    pub command: String,
    /// Its version: `1.85.0`.
    pub version: String,
}

impl Toolchain {
    /// The rustdoc that belongs to the rustc that builds kernels.
    pub fn rustdoc(&self) -> Result<Rustdoc> {
        let ask = |question: &[&str]| Tool::new(&self.rustc).args(question).output();
        let sysroot = ask(&["--print", "sysroot"])?;
        let sysroot = Path::new(sysroot.trim());
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
        // A rustc that was unpacked into the cache finds its libraries by this
        // alone; it is no news to another. rustdoc runs in the kernel's folder
        // of objects, where no report of a panic may be left.
        let libraries = sysroot.join("lib");
        let of_debian = libraries.join(format!("{}-linux-gnu", std::env::consts::ARCH));
        Ok(Rustdoc {
            command: format!(
                "env RUSTC_ICE=0 LD_LIBRARY_PATH={}:{} {}",
                of_debian.display(),
                libraries.display(),
                rustdoc.display()
            ),
            version: version_after(&ask(&["--version"])?, "rustc")
                .context("rustc does not say which version it is")?,
        })
    }
}
