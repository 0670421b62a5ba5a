//! The pages of `kernel_ext` and of the kernel's crates, by rustdoc.

use std::path::PathBuf;

use anyhow::Result;

use super::{ModuleBuilder, copy, copy_tree};
use crate::kernel::KernelImage;
use crate::key::{Inputs, Key};
use crate::session::Session;
use crate::toolchain::Toolchain;

/// The recipe's number; a change of how pages are made changes it.
const KIND: &str = "doc 1";

/// The pages of one kernel, in the cache.
#[derive(Debug, Clone)]
pub struct DocPages {
    /// The folder of them all: a folder for each crate.
    pub folder: PathBuf,
}

impl DocPages {
    /// Makes the pages for `image`, unless the cache has them.
    ///
    /// A link of `kernel_ext`'s that leads nowhere is an error, as every
    /// warning of rustdoc's is.
    pub fn build(session: &Session, toolchain: &Toolchain, image: &KernelImage) -> Result<Self> {
        let builder = ModuleBuilder {
            session,
            toolchain,
            image,
            sources: session.workspace.modules(),
        };
        let stage = session.ui.stage("doc");
        let key = key(&builder)?;
        let entry = session
            .cache
            .entry("doc", &image.version, &key, |staging| {
                stage.begin("rustdoc of kernel and kernel_ext", 0);
                let rustdoc = toolchain.rustdoc()?;
                let folder = session.cache.work_folder("doc")?;
                let work = folder.path();
                copy(&builder.sources.join("Kbuild"), &work.join("Kbuild"))?;
                copy_tree(
                    &builder.sources.join("kernel_ext"),
                    &work.join("kernel_ext"),
                )?;
                builder.make(
                    &stage,
                    work,
                    &[
                        "LESSONS=".to_owned(),
                        format!("DOC={}", staging.display()),
                        format!("RUSTDOC={}", rustdoc.command),
                        format!("RUSTDOC_VERSION={}", rustdoc.version),
                    ],
                    "rustdoc finds fault with this",
                )
            })?;
        stage.done(entry.cached, format!("for Linux {}", image.version));
        Ok(Self { folder: entry.path })
    }

    /// The page to begin with.
    pub fn index(&self) -> PathBuf {
        self.folder.join("kernel_ext/index.html")
    }
}

/// The pages are made from what `kernel_ext` is made from.
fn key(builder: &ModuleBuilder<'_>) -> Result<Key> {
    Ok(Inputs::new(KIND)
        .text("kernel_ext", builder.kernel_ext_key()?.as_str())
        .key())
}
