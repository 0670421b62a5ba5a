//! From a tarball to a tree.

use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use liblzma::read::XzDecoder;
use liblzma::stream::MtStreamBuilder;

use crate::ui::Stage;

/// Memory that decoding with several threads may take, in bytes; a tarball
/// that would need more is decoded with one.
const XZ_THREADS_MEMORY: u64 = 512 << 20;

/// How far apart two looks at the progress are, in bytes.
const CHUNK: usize = 256 << 10;

/// The bytes of the tar in an xz. Both the signature check and the unpacking
/// read through this, so what is unpacked is what was signed.
pub fn xz<R: Read>(compressed: R) -> Result<XzDecoder<R>> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let stream = MtStreamBuilder::new()
        .threads(u32::try_from(threads)?)
        .memlimit_threading(XZ_THREADS_MEMORY)
        .memlimit_stop(u64::MAX)
        .decoder()
        .context("cannot start the xz decoder")?;
    Ok(XzDecoder::new_stream(compressed, stream))
}

/// A reader that tells a stage how far it is, in MiB.
pub struct CountingReader<'a, R> {
    reader: R,
    read: u64,
    stage: &'a Stage<'a>,
}

impl<'a, R> CountingReader<'a, R> {
    /// Counts what is read from `reader`.
    pub fn new(reader: R, stage: &'a Stage<'a>) -> Self {
        Self {
            reader,
            read: 0,
            stage,
        }
    }
}

impl<R: Read> Read for CountingReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let before = self.read >> 20;
        self.read += count as u64;
        if self.read >> 20 != before {
            self.stage.position(self.read >> 20);
        }
        Ok(count)
    }
}

/// Unpacks the tar into `folder`, which is made; the one folder that a kernel
/// tarball has at its top (`linux-6.7.9/`) becomes `folder` itself.
///
/// Reading and decoding go on in this thread, writing in another.
pub fn unpack(mut tar: impl Read, folder: &Path) -> Result<()> {
    std::fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (reader, mut writer) = std::io::pipe().context("cannot make a pipe")?;
    std::thread::scope(|scope| {
        let written = scope.spawn(move || write_tree(reader, folder));
        let mut chunk = vec![0; CHUNK];
        let read = loop {
            match tar.read(&mut chunk) {
                Ok(0) => break Ok(()),
                // The other end is gone: it has the error to tell of, or has
                // seen the end of the tar before its padding.
                Ok(count) if writer.write_all(&chunk[..count]).is_err() => break Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error).context("the tarball is damaged or truncated"),
            }
        };
        drop(writer);
        let written = written
            .join()
            .unwrap_or_else(|_| Err(anyhow!("the thread that unpacks has panicked")));
        read.and(written)
    })?;
    lift(folder)
}

fn write_tree(mut tar: impl Read, folder: &Path) -> Result<()> {
    let mut archive = tar::Archive::new(&mut tar);
    // Nothing reads these; a system call less for each of 90,000 files.
    archive.set_preserve_mtime(false);
    archive
        .unpack(folder)
        .with_context(|| format!("cannot unpack into {}", folder.display()))?;
    // What pads the end of the tar.
    std::io::copy(&mut tar, &mut std::io::sink())?;
    Ok(())
}

/// Moves what is in the only folder of `folder` one level up.
fn lift(folder: &Path) -> Result<()> {
    let top = list(folder)?;
    let [only] = top.as_slice() else {
        return Err(anyhow!("the tarball has not one folder at its top"));
    };
    ensure!(only.is_dir(), "the tarball has no folder at its top");
    let aside = folder.join(".kmodlab-unpacked");
    std::fs::rename(only, &aside)?;
    for path in list(&aside)? {
        let name = path.file_name().unwrap_or_default();
        std::fs::rename(&path, folder.join(name))
            .with_context(|| format!("cannot move {}", path.display()))?;
    }
    std::fs::remove_dir(&aside).with_context(|| format!("cannot remove {}", aside.display()))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = || -> std::io::Result<Vec<PathBuf>> {
        std::fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect()
    };
    list().with_context(|| format!("cannot list {}", folder.display()))
}
