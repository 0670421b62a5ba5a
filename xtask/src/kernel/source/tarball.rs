//! A signed release of kernel.org: downloads, verifies and unpacks it.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::download::Mirrors;
use super::{Available, FetchSettings, download, signature, unpack};
use crate::cache::Parts;
use crate::kernel::spec::Tarball;
use crate::key::Inputs;
use crate::session::Session;

/// Returns the inputs that identify the tarball: its name and the signer. The key's owner has
/// signed one release of that name.
pub fn inputs(tarball: &Tarball) -> Inputs {
    let mut inputs = Inputs::new("source 1");
    inputs
        .text("tarball", &tarball.file)
        .text("fingerprint", &tarball.fingerprint);
    inputs
}

/// Returns the verified tarball from the cache, if it is there.
///
/// # Errors
///
/// Fails if a damaged tarball cannot be removed.
pub fn in_cache(session: &Session, tarball: &Tarball) -> Result<Option<PathBuf>> {
    let (name, key) = (name(tarball), inputs(tarball).key());
    let folder = session.cache.find("downloads", &name, &key, Parts::All)?;
    Ok(folder.map(|folder| folder.join(&tarball.file)))
}

fn name(tarball: &Tarball) -> String {
    format!("linux-{}", tarball.version)
}

/// Returns the verified tarball, from the cache or from a mirror.
///
/// # Errors
///
/// Fails if a mirror answers but does not have the tarball, its signature or the key, and if the
/// signature is not a good one by the pinned key.
pub fn fetch(
    session: &Session,
    settings: &FetchSettings,
    tarball: &Tarball,
) -> Result<Available<PathBuf>> {
    if let Some(path) = in_cache(session, tarball)? {
        return Ok(Ok(path));
    }
    let (name, key) = (name(tarball), inputs(tarball).key());
    let mut folders = tarball.mirrors.clone();
    folders.splice(0..0, settings.mirror.clone());
    let mirrors = {
        let stage = session.ui.stage("source");
        stage.begin("looking for a mirror of kernel.org", 0);
        match download::reach(&folders, &tarball.file, settings) {
            Ok(mirrors) => mirrors,
            Err(mirrors) => return Ok(Err(mirrors)),
        }
    };
    let entry = session.cache.entry("downloads", &name, &key, |staging| {
        std::fs::create_dir(staging)
            .with_context(|| format!("cannot make {}", staging.display()))?;
        let signature = staging.join(&tarball.signature);
        mirrors.download(&tarball.signature, &signature, None)?;
        let key = staging.join("key");
        download_key(settings, tarball, &key)?;
        let file = staging.join(&tarball.file);
        let stage = session.ui.stage("source");
        mirrors.download(&tarball.file, &file, Some(&stage))?;
        verify(session, tarball, &file, &signature, &key)
    })?;
    Ok(Ok(entry.path.join(&tarball.file)))
}

/// Downloads the signer's key to the file `to`, from the Web Key Directory or from the mirror that
/// the user named.
fn download_key(settings: &FetchSettings, tarball: &Tarball, to: &Path) -> Result<()> {
    let mut addresses = tarball.keys.clone();
    if let Some(mirror) = &settings.mirror {
        addresses.push(format!("{mirror}{}.asc", tarball.fingerprint));
    }
    Mirrors::of_files(&addresses, settings).download("", to, None)?;
    let bytes = std::fs::read(to).context("cannot read the key that was downloaded")?;
    let key = signature::dearmored(&bytes)
        .with_context(|| format!("the key from {} is invalid", addresses.join(" or ")))?;
    std::fs::write(to, key).with_context(|| format!("cannot write {}", to.display()))
}

fn verify(
    session: &Session,
    tarball: &Tarball,
    path: &Path,
    signature: &Path,
    key: &Path,
) -> Result<()> {
    let file = open(path)?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let stage = session.ui.stage("source");
    stage.begin(&format!("verifying {} (MiB)", tarball.file), size >> 20);
    let tar = unpack::xz(unpack::CountingReader::new(file, &stage))?;
    signature::verify(signature, key, &tarball.fingerprint, tar).with_context(|| {
        format!(
            "{} is not the file that {} signs; nothing was kept",
            tarball.file, tarball.signature
        )
    })
}

/// Unpacks a verified tarball into `folder`.
///
/// # Errors
///
/// Fails if the tarball cannot be read, or the folder cannot be written.
pub fn unpack(session: &Session, path: &Path, folder: &Path) -> Result<()> {
    let file = open(path)?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stage = session.ui.stage("source");
    stage.begin(&format!("unpacking {name} (MiB)"), size >> 20);
    unpack::unpack(
        unpack::xz(unpack::CountingReader::new(file, &stage))?,
        folder,
    )
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot read {}", path.display()))
}
