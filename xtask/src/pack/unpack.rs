//! Puts the entries of a pack into the cache.

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use super::{CACHE, ITSELF, MAKEFILE, PROGRAM, PackFile, SOURCE_LINK, recipe};
use crate::cache::EntryName;
use crate::failure::Failure;
use crate::host::Host;
use crate::initramfs::agent;
use crate::kernel::source::{PART, fallback};
use crate::session::Session;
use crate::{toolchain, whole_file, workers};

/// Size in bytes from which a file is written without its empty blocks: a guest's memory is mostly
/// empty.
const SPARSE: u64 = 16 << 20;

/// Bytes that are written or left out together.
const PAGE: usize = 4096;

/// The outcome of unpacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// Number of entries that were put into the cache.
    pub new: usize,
    /// Number of entries that the cache had.
    pub present: usize,
}

/// Puts the entries of a pack into the cache of the session. Entries that the cache has stay as they
/// are.
///
/// # Errors
///
/// Fails if this kmodlab or this host would not find the entries, if a package is missing and cannot
/// be installed, and if the cache cannot be written.
pub fn unpack(session: &Session, pack: &PackFile) -> Result<Unpacked> {
    check_recipe(session, pack)?;
    check_host(pack, &Host::from_env().release())?;
    check_compilers(pack, &toolchain::system_identity(session)?)?;
    let unpacked = entries(session, pack)?;
    let header = pack.header();
    if let Some(package) = &header.origin.kernel.package {
        package.remember(&session.cache)?;
    }
    if let Some(default) = &header.origin.kernel.instead_of {
        fallback::remember_instead(&session.cache, default, &header.origin.kernel.name)?;
    }
    agent::remember_compiler(session, &header.origin.agent)?;
    let identity = toolchain::provision(session)?.identity;
    if identity != header.origin.tools.identity {
        return Err(Failure::host(format!(
            "the entries are unpacked, but this host has a Rust compiler of its own, with which \
             kmodlab would build the kernel again:\n{identity}\nThe pack was made with:\n{}\n\
             Remove that compiler, or make the pack on a host that has it",
            header.origin.tools.identity
        ))
        .into());
    }
    Ok(unpacked)
}

fn check_recipe(session: &Session, pack: &PackFile) -> Result<()> {
    let header = pack.header();
    let own = recipe(&session.workspace)?;
    if own.as_str() == header.origin.recipe {
        return Ok(());
    }
    let remedy = match header.members.iter().any(|member| member.name == PROGRAM) {
        true => format!(
            "use the one in the pack: `tar -xf {} {PROGRAM}`",
            pack.path().display()
        ),
        false => "make the pack with the same version, or from the same clone".to_owned(),
    };
    Err(Failure::host(format!(
        "{} was made by another version of kmodlab ({} with the recipe {}), and this one ({} with \
         {own}) would not find its kernel; {remedy}",
        pack.path().display(),
        header.origin.version,
        header
            .origin
            .recipe
            .get(..12)
            .unwrap_or(&header.origin.recipe),
        env!("CARGO_PKG_VERSION")
    ))
    .into())
}

fn check_host(pack: &PackFile, release: &str) -> Result<()> {
    let made_on = &pack.header().origin.tools.release;
    if made_on == release {
        return Ok(());
    }
    Err(Failure::host(format!(
        "{} was made on {made_on}, and this host is {release}, with other compilers and libraries; \
         make a pack on a host with {release}, or use a container with {made_on}",
        pack.path().display()
    ))
    .into())
}

fn check_compilers(pack: &PackFile, own: &[String]) -> Result<()> {
    let packed = &pack.header().origin.tools.system;
    if packed == own {
        return Ok(());
    }
    Err(Failure::host(format!(
        "{} was made with other compilers than this host's, and its kernel would not be found.\nThe \
         pack: {}\nThis host: {}\nUpdate the packages of both hosts, or make the pack on a host with \
         the same ones",
        pack.path().display(),
        packed.join(", "),
        own.join(", ")
    ))
    .into())
}

/// Puts the entries into the cache, the large ones first, several at a time.
fn entries(session: &Session, pack: &PackFile) -> Result<Unpacked> {
    let members = &pack.header().members;
    let entries = (0..members.len()).filter(|&index| members[index].name != PROGRAM);
    let named = entries.map(|index| {
        let name = &members[index].name;
        let entry = EntryName::parse(name);
        Ok((
            index,
            entry.with_context(|| format!("{name} is not a cache entry"))?,
        ))
    });
    let mut named: Vec<(usize, EntryName)> = named.collect::<Result<_>>()?;
    named.sort_by_key(|(index, _)| std::cmp::Reverse(members[*index].size));
    let stage = session.ui.stage("unpack");
    stage.begin(&format!("{} entries", named.len()), 0);
    let results = workers::map(session.jobs, &named, |(index, name)| {
        let (member, contents) = pack.member(*index)?;
        let is_folder = member.folder;
        let entry = session.cache.import(name, |staging| {
            extract(contents, is_folder, staging)
                .with_context(|| format!("cannot unpack {name}"))?;
            match name.kind() {
                "kernels" => connect(session, pack, staging),
                _ => Ok(()),
            }
        })?;
        Ok(entry.cached)
    });
    let mut unpacked = Unpacked { new: 0, present: 0 };
    for cached in results.into_iter().collect::<Result<Vec<bool>>>()? {
        match cached {
            true => unpacked.present += 1,
            false => unpacked.new += 1,
        }
    }
    stage.done(unpacked.new == 0, format!("{} new", unpacked.new));
    Ok(unpacked)
}

/// Extracts the contents of a member to `staging`.
fn extract(contents: impl Read, is_folder: bool, staging: &Path) -> Result<()> {
    let decoder = zstd::Decoder::new(BufReader::with_capacity(1 << 20, contents))?;
    let mut archive = tar::Archive::new(decoder);
    if is_folder {
        std::fs::create_dir(staging)?;
    } else {
        // The time of change of an entry is that of its last use.
        archive.set_preserve_mtime(false);
    }
    for file in archive.entries()? {
        let mut file = file?;
        let path = file.path()?.into_owned();
        if !is_folder {
            ensure!(
                path == Path::new(ITSELF),
                "{} is not expected",
                path.display()
            );
            file.unpack(staging)?;
        } else if file.size() >= SPARSE && file.header().entry_type().is_file() {
            // Makes the folder, and refuses a path that leaves the entry.
            ensure!(
                whole_file::is_below(&path),
                "{} leaves the entry",
                path.display()
            );
            let target = staging.join(&path);
            let executable = file.header().mode()? & 0o111 != 0;
            write_sparse(&mut file, &target, executable)?;
        } else if !file.unpack_in(staging)? {
            bail!("{} leaves the entry", path.display());
        }
    }
    Ok(())
}

/// Writes a large file without its empty pages.
fn write_sparse(contents: &mut impl Read, path: &Path, executable: bool) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mode = if executable { 0o777 } else { 0o666 };
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    let mut buffer = vec![0; 256 * PAGE];
    let mut length = 0;
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match contents.read(&mut buffer[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        if filled == 0 {
            break;
        }
        for page in buffer[..filled].chunks(PAGE) {
            length += page.len() as u64;
            match page.iter().all(|byte| *byte == 0) {
                true => drop(file.seek(SeekFrom::Start(length))?),
                false => file.write_all(page)?,
            }
        }
    }
    file.set_len(length)?;
    Ok(())
}

/// Makes a kernel's link to its source, and the Makefile that includes that of the source.
fn connect(session: &Session, pack: &PackFile, kernel: &Path) -> Result<()> {
    let members = pack.header().members.iter();
    let names = members.filter_map(|member| EntryName::parse(&member.name));
    let mut sources = names.filter(|name| name.kind() == "sources");
    let source = sources.next().context("the pack has no kernel's source")?;
    let root = session.cache.root();
    std::os::unix::fs::symlink(root.join(source.path()), kernel.join(SOURCE_LINK))?;
    let makefile = kernel.join(MAKEFILE);
    let text = std::fs::read_to_string(&makefile)?;
    // The source has another name in a pack than in the cache that it comes from.
    let whole = source.to_string().replace(&format!("{PART}-"), "-");
    let text = text
        .replace(&whole, &source.to_string())
        .replace(CACHE, &root.to_string_lossy());
    std::fs::write(&makefile, text)?;
    Ok(())
}

#[cfg(test)]
mod tests;
