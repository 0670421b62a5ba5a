//! `--kernel-source PATH`: a tree or a tarball that the user trusts.
//!
//! The source is copied into the cache under a key of its contents, and patched there; the files
//! at PATH stay unchanged. A tree that has not changed since the last copy is recognised by its
//! files' sizes, inode numbers and times, and not read again.

use std::fs::File;
use std::io::{Read, Seek as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::listing::FileListing;
use super::makefile::{LANDMARKS, TreeVersion};
use super::patches::Patches;
use super::{KernelSource, unpack};
use crate::failure::Failure;
use crate::kernel::spec::{KernelSpec, Kernels};
use crate::key::Inputs;
use crate::memo;
use crate::process::{Guarded, Tool};
use crate::session::Session;
use crate::ui::Stage;

/// Files in a tree in which a kernel was built in place. make refuses to build such a tree in
/// another folder (`outputmakefile` in the kernel's Makefile).
const BUILT: [&str; 2] = [".config", "include/config"];

/// The remembered content of the source at a path.
#[derive(Serialize, Deserialize)]
struct KnownContent {
    path: PathBuf,
    fingerprint: String,
    content: String,
    version: String,
}

/// Returns the source at `path` as that of the kernel `spec`.
///
/// # Errors
///
/// Fails if `path` is not a kernel's tree or tarball, if it is of another series, and if it
/// changes while it is read.
pub fn obtain(
    session: &Session,
    kernels: &Kernels,
    spec: &KernelSpec,
    path: &Path,
) -> Result<KernelSource> {
    let path = std::fs::canonicalize(path)
        .map_err(|error| Failure::usage(format!("--kernel-source {}: {error}", path.display())))?;
    let is_tree = path.is_dir();
    let check = |version: &TreeVersion| check_version(session, kernels, spec, &path, version);
    // A tree is checked before it is listed, which takes long.
    let in_tree = match is_tree {
        true => Some(tree_version(&path)?),
        false => None,
    };
    in_tree.iter().try_for_each(check)?;
    let listing = FileListing::of(&path)?;
    let fingerprint = listing.fingerprint();
    let name = format!(
        "given-{}",
        Inputs::new("path")
            .text("path", path.to_string_lossy())
            .key()
    );
    let known = memo::recall::<KnownContent>(&session.cache, &name)
        .filter(|known| known.fingerprint == fingerprint.as_str());
    let version = match (in_tree, &known) {
        (Some(version), _) => version,
        (None, known) => {
            let version = match known {
                Some(known) => TreeVersion::from_display(&known.version)?,
                None => version_in_tarball(&path)?,
            };
            check(&version)?;
            version
        }
    };
    let content = match known {
        Some(known) => known.content,
        None => {
            let stage = session.ui.stage("source");
            let reading = format!("reading {} (files)", path.display());
            stage.begin(&reading, listing.count());
            let content = listing.key(&stage)?.as_str().to_owned();
            if listing.is_settled() {
                let known = KnownContent {
                    path: path.clone(),
                    fingerprint: fingerprint.as_str().to_owned(),
                    content: content.clone(),
                    version: version.to_string(),
                };
                memo::remember(&session.cache, &name, &known)?;
            }
            content
        }
    };
    let mut inputs = Inputs::new("source 1");
    inputs.text(if is_tree { "tree" } else { "file" }, &content);
    let patches = Patches::of(&spec.patches)?;
    super::tree(
        session,
        spec,
        &version.to_string(),
        inputs,
        &patches,
        |folder| {
            if is_tree {
                let stage = session.ui.stage("source");
                stage.begin(
                    &format!("copying {} (files)", path.display()),
                    listing.count(),
                );
                listing.copy_to(folder, &stage)?;
            } else {
                unpack_file(session, &path, folder)?;
                TreeVersion::of(folder).map_err(|error| not_a_kernel(&path, &error))?;
            }
            if FileListing::of(&path)?.fingerprint() != fingerprint {
                bail!("{} changed while it was read; run again", path.display());
            }
            Ok(())
        },
    )
}

/// Returns the version of a tree, unless a kernel was built in it.
fn tree_version(path: &Path) -> Result<TreeVersion> {
    let version = TreeVersion::of(path).map_err(|error| not_a_kernel(path, &error))?;
    match BUILT.iter().find(|file| path.join(file).exists()) {
        None => Ok(version),
        Some(file) => Err(Failure::usage(format!(
            "{} was built in place (it has {file}), and make does not build such a tree in another \
             folder; run `make mrproper` in it, or give a fresh `git worktree` of it",
            path.display()
        ))
        .into()),
    }
}

fn not_a_kernel(path: &Path, error: &anyhow::Error) -> Failure {
    Failure::usage(format!(
        "--kernel-source {} is not a kernel tree: {error:#}; a kernel tree, or the single folder of \
         a tarball, has at its top {}, and its version in the Makefile",
        path.display(),
        LANDMARKS.join(", ")
    ))
}

/// Prints a warning if the source has another patch level than the kernel; refuses another series.
fn check_version(
    session: &Session,
    kernels: &Kernels,
    spec: &KernelSpec,
    path: &Path,
    found: &TreeVersion,
) -> Result<()> {
    let path = path.display();
    let series = found.version.series;
    if series != spec.series {
        let fitting = kernels
            .iter()
            .find(|kernel| kernel.series == series)
            .map_or_else(
                || {
                    let known = kernels.iter().map(|kernel| kernel.series.to_string());
                    let known = known.collect::<Vec<_>>().join(", ");
                    format!("no kernel of kernels.toml fits it; their series are: {known}")
                },
                |kernel| format!("`--kernel {}` fits it", kernel.name),
            );
        return Err(Failure::usage(format!(
            "{path} is Linux {found} of series {series}; kernel {} is of series {}; {fitting}",
            spec.name, spec.series
        ))
        .into());
    }
    if let Some(version) = spec.version
        && (version != found.version || !found.extra.is_empty())
    {
        session.ui.note(format!(
            "warning: {path} is Linux {found}, but the patches and options of kernel {} are for \
             Linux {version}",
            spec.name
        ));
    }
    Ok(())
}

/// Returns the version in the top Makefile of a tarball.
fn version_in_tarball(path: &Path) -> Result<TreeVersion> {
    let not_a_kernel = |error: anyhow::Error| anyhow::Error::from(not_a_kernel(path, &error));
    let mut opened = open(path, None)?;
    let mut archive = tar::Archive::new(&mut opened.tar);
    let damaged = || format!("{} is damaged or truncated", path.display());
    for entry in archive.entries().with_context(damaged)? {
        let mut entry = entry.with_context(damaged)?;
        let name = entry.path().with_context(damaged)?;
        let mut names = name.components().filter(|part| {
            // The first one of `./linux-6.7/Makefile`.
            *part != std::path::Component::CurDir
        });
        let second = names.by_ref().nth(1);
        if second.is_some_and(|second| second.as_os_str() == "Makefile") && names.next().is_none() {
            let mut makefile = Vec::new();
            let mut start = entry.by_ref().take(4096);
            start.read_to_end(&mut makefile).with_context(damaged)?;
            let makefile = String::from_utf8_lossy(&makefile);
            return TreeVersion::parse(&makefile).map_err(not_a_kernel);
        }
    }
    Err(not_a_kernel(anyhow!("it does not have a file Makefile")))
}

fn unpack_file(session: &Session, path: &Path, folder: &Path) -> Result<()> {
    let stage = session.ui.stage("source");
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    stage.begin(&format!("unpacking {} (MiB)", path.display()), size >> 20);
    let OpenedTarball { tar, child } = open(path, Some(&stage))?;
    unpack::unpack(tar, folder).with_context(|| format!("cannot unpack {}", path.display()))?;
    if let Some(mut child) = child
        && !child.wait()?.success()
    {
        bail!("{} is damaged or truncated", path.display());
    }
    Ok(())
}

/// A reader of a tar, with any compression.
struct OpenedTarball<'a> {
    tar: Box<dyn Read + 'a>,
    /// gzip, if the tarball is compressed with it.
    child: Option<Guarded>,
}

/// Opens a tarball. Its first bytes, not its name, decide the compression.
fn open<'a>(path: &Path, stage: Option<&'a Stage<'a>>) -> Result<OpenedTarball<'a>> {
    let cannot = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(cannot)?;
    let mut head = Vec::new();
    file.by_ref()
        .take(512)
        .read_to_end(&mut head)
        .with_context(cannot)?;
    file.rewind().with_context(cannot)?;
    let counted = |file| -> Box<dyn Read + 'a> {
        match stage {
            Some(stage) => Box::new(unpack::CountingReader::new(file, stage)),
            None => Box::new(file),
        }
    };
    if head.starts_with(b"\xfd7zXZ\0") {
        let tar = Box::new(unpack::xz(counted(file))?);
        return Ok(OpenedTarball { tar, child: None });
    }
    if head.starts_with(b"\x1f\x8b") {
        let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
        let child = Tool::new("gzip")
            .args(["-dc", "--"])
            .arg(path)
            .spawn(Stdio::from(writer), Stdio::null())?;
        return Ok(OpenedTarball {
            tar: Box::new(reader),
            child: Some(child),
        });
    }
    if head.get(257..262) == Some(b"ustar") {
        let tar = counted(file);
        return Ok(OpenedTarball { tar, child: None });
    }
    let error = anyhow!("it is neither a folder nor a tarball (plain, xz or gzip)");
    Err(not_a_kernel(path, &error).into())
}
