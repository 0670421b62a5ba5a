//! A clone, a cache, a kernel release and its signer, all made for one test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use xtask::cache::Cache;
use xtask::kernel::source::{FetchSettings, KernelSource, SourceRequest, obtain_with};
use xtask::session::Session;
use xtask::ui::Ui;
use xtask::workspace::Workspace;

use crate::server::Answer;
use crate::signer::Signer;

/// Names of the files of a release on a mirror.
pub const TARBALL: &str = "linux-6.7.9.tar.xz";
pub const SIGNATURE: &str = "linux-6.7.9.tar.sign";
pub const KEY: &str = "key";

/// Returns the files of a minimal kernel tree.
pub fn kernel_files(version: &str) -> Vec<(String, String)> {
    let numbers = version.split('.').collect::<Vec<_>>();
    let makefile = format!(
        "# SPDX-License-Identifier: GPL-2.0\nVERSION = {}\nPATCHLEVEL = {}\nSUBLEVEL = {}\n\
         EXTRAVERSION =\nNAME = Test\n",
        numbers[0], numbers[1], numbers[2]
    );
    // Long and hard to compress, so that a transfer can break off.
    let hash = |i: u32| format!("{}\n", blake3::hash(&i.to_le_bytes()).to_hex());
    let big = (0..4_000).map(hash).collect::<String>();
    [
        ("COPYING", "GPL\n".to_owned()),
        ("Kbuild", "obj-y += init/\n".to_owned()),
        ("Kconfig", "mainmenu \"Test\"\n".to_owned()),
        ("Makefile", makefile),
        ("init/main.c", "one\ntwo\nthree\nfour\nfive\n".to_owned()),
        ("lib/big.txt", big),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .to_vec()
}

/// Returns a tar of a kernel tree.
pub fn tar(version: &str) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in kernel_files(version) {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        let path = format!("linux-{version}/{name}");
        builder.append_data(&mut header, path, text.as_bytes())?;
    }
    Ok(builder.into_inner()?)
}

/// Returns a tar, compressed.
pub fn xz(tar: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    std::io::Write::write_all(&mut encoder, tar)?;
    Ok(encoder.finish()?)
}

/// Writes a kernel tree into a folder.
pub fn write_tree(folder: &Path, version: &str) -> Result<()> {
    for (name, text) in kernel_files(version) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().context("a parent")?)?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// Returns the files of Linux 6.7.9 on a mirror, with the signer's key.
pub fn release(signer: &Signer) -> Result<Vec<(String, Answer)>> {
    let tar = tar("6.7.9")?;
    Ok(vec![
        (TARBALL.to_owned(), Answer::Whole(xz(&tar)?)),
        (
            SIGNATURE.to_owned(),
            Answer::Whole(signer.signature("tar")?),
        ),
        (KEY.to_owned(), Answer::Whole(signer.key()?)),
    ])
}

/// Returns `files` with another answer for `name`.
pub fn with(
    mut files: Vec<(String, Answer)>,
    name: &str,
    answer: Option<Answer>,
) -> Vec<(String, Answer)> {
    files.retain(|(known, _)| known != name);
    files.extend(answer.map(|answer| (name.to_owned(), answer)));
    files
}

/// A clone and a cache of its own.
pub struct Lab {
    pub folder: tempfile::TempDir,
    pub session: Session,
    pub settings: FetchSettings,
}

impl Lab {
    /// Creates a clone whose kernels come from `mirrors`, and the key from the last of them. The
    /// owner of `fingerprint` must have signed.
    pub fn new(mirrors: &[&str], fingerprint: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("clone/kernel-config");
        std::fs::create_dir_all(&config)?;
        let key = mirrors.last().map(|mirror| format!("{mirror}{KEY}"));
        let text = format!(
            "default = \"6.7.9\"\n[kernel-org]\nmirrors = {mirrors:?}\nkeys = {:?}\n\
             fingerprint = \"{fingerprint}\"\n\
             [kernel.\"6.7.9\"]\nseries = \"6.7\"\nversion = \"6.7.9\"\nfallback = \"6.12\"\n\
             sources = [{{ tarball = \"{TARBALL}\" }}]\n\
             [kernel.\"6.12\"]\nseries = \"6.12\"\nsources = [\n\
             {{ debian-package = \"linux-source-6.12\" }},\n\
             {{ tarball = \"linux-6.12.3.tar.xz\" }} ]\n",
            Vec::from_iter(key)
        );
        std::fs::write(config.join("kernels.toml"), text)?;
        let session = Session {
            workspace: Workspace::at(&folder.path().join("clone"))?,
            cache: Cache::at(&folder.path().join("cache"))?,
            ui: Ui::new(false),
            may_install: false,
            jobs: 1,
        };
        let settings = FetchSettings {
            whole: false,
            mirror: None,
            reach: Duration::from_secs(2),
            stall: Duration::from_millis(500),
            apt_get: "no-apt-get-here".into(),
        };
        Ok(Self {
            folder,
            session,
            settings,
        })
    }

    /// Obtains the named kernel, or the default one.
    pub fn obtain(&self, kernel: Option<&str>) -> Result<KernelSource> {
        self.obtain_from(kernel, None)
    }

    /// Obtains a kernel with `--kernel-source`.
    pub fn obtain_from(&self, kernel: Option<&str>, source: Option<&Path>) -> Result<KernelSource> {
        let request = SourceRequest {
            kernel: kernel.map(str::to_owned),
            source: source.map(Path::to_owned),
        };
        obtain_with(&self.session, &request, &self.settings)
    }

    /// Returns the error of an attempt to obtain a kernel, and its exit status.
    pub fn error(&self, kernel: Option<&str>, source: Option<&Path>) -> Result<(String, u8)> {
        match self.obtain_from(kernel, source) {
            Ok(source) => Err(anyhow!("{source:?} where an error was due")),
            Err(error) => Ok((
                format!("{error:#}"),
                xtask::failure::fault_of(&error).status(),
            )),
        }
    }

    /// Writes a patch of kernel 6.7.9.
    pub fn patch(&self, name: &str, text: &str) -> Result<()> {
        let folder = self.session.workspace.kernel_config().join("patches/6.7.9");
        std::fs::create_dir_all(&folder)?;
        Ok(std::fs::write(folder.join(name), text)?)
    }

    /// Returns the cache's results of a kind, and the contents of staging.
    pub fn kept(&self, kind: &str) -> Result<Vec<PathBuf>> {
        let mut kept = Vec::new();
        for kind in [kind, "staging"] {
            let folder = self.session.cache.folder(kind)?;
            for entry in std::fs::read_dir(folder)? {
                kept.push(entry?.path());
            }
        }
        Ok(kept)
    }
}
