//! Unpacks tarballs.

use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use liblzma::read::XzDecoder;
use liblzma::stream::MtStreamBuilder;

use crate::ui::Stage;

/// Maximum memory for decoding with several threads, in bytes; a tarball that needs more is
/// decoded with one thread.
const XZ_THREADS_MEMORY: u64 = 512 << 20;

/// Size of the pieces in which a tar is passed on, in bytes.
const CHUNK: usize = 256 << 10;

/// Returns a reader of the tar in an xz file. The check of the signature and the unpacking both
/// use it, so they see the same bytes.
///
/// # Errors
///
/// Fails if the decoder cannot be initialised.
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

/// A reader that shows its position on a stage, in MiB.
pub struct CountingReader<'a, R> {
    reader: R,
    read: u64,
    stage: &'a Stage<'a>,
}

impl<'a, R> CountingReader<'a, R> {
    /// Creates a reader that counts the bytes of `reader`.
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

/// Unpacks the tar into the new folder `folder`, which takes the place of the single folder at
/// the top of a kernel's tarball (`linux-6.7.9/`).
///
/// This thread reads and decodes, another one writes.
///
/// # Errors
///
/// Fails if the tar cannot be read, if `folder` exists or cannot be written, and if the tar does
/// not have a single folder at its top.
pub fn unpack(mut tar: impl Read, folder: &Path) -> Result<()> {
    std::fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (reader, mut writer) = std::io::pipe().context("cannot make a pipe")?;
    std::thread::scope(|scope| {
        let written = scope.spawn(move || write_tree(reader, folder));
        let mut chunk = vec![0; CHUNK];
        let read = loop {
            match tar.read(&mut chunk) {
                Ok(0) => break Ok(()),
                // The other end has closed: it returns its error, or it has seen the end of the
                // tar before the padding.
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
    // Nothing reads the times; this saves a system call for each of 90,000 files.
    archive.set_preserve_mtime(false);
    archive
        .unpack(folder)
        .with_context(|| format!("cannot unpack into {}", folder.display()))?;
    // The padding at the end of the tar.
    std::io::copy(&mut tar, &mut std::io::sink())?;
    Ok(())
}

/// Moves the contents of the only folder in `folder` one level up.
fn lift(folder: &Path) -> Result<()> {
    let top = list(folder)?;
    let [only] = top.as_slice() else {
        return Err(anyhow!(
            "the tarball does not have a single folder at its top"
        ));
    };
    ensure!(
        only.is_dir(),
        "the tarball has a file instead of a folder at its top"
    );
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
