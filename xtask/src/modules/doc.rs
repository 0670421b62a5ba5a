//! API documentation of `kernel_ext` and of the kernel's crates, made by rustdoc.

use std::path::PathBuf;

use anyhow::Result;

use super::builder::ModuleBuilder;
use crate::cache::Parts;
use crate::kernel::KernelImage;
use crate::key::{Inputs, Key};
use crate::session::Session;
use crate::toolchain::Toolchain;

/// Kind of the results, with the recipe's number; change it when the recipe changes.
const KIND: &str = "doc 1";

/// The documentation for one kernel, in the cache.
#[derive(Debug, Clone)]
pub struct DocPages {
    /// Folder with a folder for each crate.
    pub folder: PathBuf,
}

impl DocPages {
    /// Returns true if the cache does not have the documentation for `image`.
    ///
    /// # Errors
    ///
    /// Fails if a source cannot be read.
    pub fn are_missing(
        session: &Session,
        toolchain: &Toolchain,
        image: &KernelImage,
    ) -> Result<bool> {
        let builder = ModuleBuilder::new(session, toolchain, image);
        let (version, key) = (&image.version, key(&builder)?);
        let found = session.cache.find("doc", version, &key, Parts::All)?;
        Ok(found.is_none())
    }

    /// Makes the documentation for `image`, unless the cache has it.
    ///
    /// # Errors
    ///
    /// Fails if rustdoc is missing, and if rustdoc reports a warning about `kernel_ext`, such as
    /// a link without a target.
    pub fn build(session: &Session, toolchain: &Toolchain, image: &KernelImage) -> Result<Self> {
        let builder = ModuleBuilder::new(session, toolchain, image);
        let stage = session.ui.stage("doc");
        let key = key(&builder)?;
        let entry = session
            .cache
            .entry("doc", &image.version, &key, |staging| {
                stage.begin("rustdoc of kernel and kernel_ext", 0);
                let rustdoc = toolchain.rustdoc()?;
                builder.make_kernel_ext(
                    &stage,
                    &[
                        format!("DOC={}", staging.display()),
                        format!("RUSTDOC={}", rustdoc.command),
                        format!("RUSTDOC_VERSION={}", rustdoc.version),
                    ],
                    "rustdoc reports errors",
                )?;
                Ok(())
            })?;
        stage.done(entry.cached, format!("for Linux {}", image.version));
        Ok(Self { folder: entry.path })
    }

    /// Returns the first page.
    pub fn index(&self) -> PathBuf {
        self.folder.join("kernel_ext/index.html")
    }
}

/// Returns the key of the documentation, whose inputs are those of `kernel_ext`.
fn key(builder: &ModuleBuilder<'_>) -> Result<Key> {
    Ok(Inputs::new(KIND)
        .text("kernel_ext", builder.kernel_ext_key()?.as_str())
        .key())
}
