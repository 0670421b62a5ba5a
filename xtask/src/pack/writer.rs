//! Writes packs.

use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, Write};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::contents::files;
use super::{CACHE, COMPRESSED, HEADER, ITSELF, MAKEFILE, PROGRAM, PackHeader, PackedMember};
use super::{PackContents, PackOrigin, SOURCE_LINK};
use crate::cache::{Cache, EntryName};
use crate::kernel::source::PART;
use crate::session::Session;

/// Level of zstd. 19 makes a pack a tenth smaller, and takes five times as long (November 2026).
const LEVEL: i32 = 12;

/// Longest name of a member in bytes: what a tar header has room for.
const NAME_MAX: usize = 99;

/// Writes a pack to `file`: the entries, and the program at the path `program`, if there is one.
/// Returns the size in bytes.
///
/// # Errors
///
/// Fails if a file cannot be read, or the pack cannot be written; then `file` is as before.
pub fn write(
    session: &Session,
    contents: &PackContents,
    program: Option<&Path>,
    origin: PackOrigin,
    file: &Path,
) -> Result<u64> {
    let cannot = || format!("cannot write {}", file.display());
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    let stage = session.ui.stage("pack");
    stage.begin("compressing entries", contents.entries.len() as u64);
    let (mut members, mut parts) = (Vec::new(), Vec::new());
    let mut add = |name: &str, folder: bool, mut contents: File| -> Result<()> {
        contents.rewind()?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(&contents)?;
        members.push(PackedMember {
            name: name.to_owned(),
            folder,
            size: contents.metadata()?.len(),
            hash: hasher.finalize().to_hex().to_string(),
        });
        parts.push(contents);
        Ok(())
    };
    if let Some(program) = program {
        let contents =
            File::open(program).with_context(|| format!("cannot read {}", program.display()))?;
        add(PROGRAM, false, contents)?;
    }
    for ((name, entry), step) in contents.entries.iter().zip(1..) {
        stage.message(&name.to_string());
        // Beside the pack, whose disk has room for it.
        let compressed = tempfile::tempfile_in(folder).with_context(cannot)?;
        compress(session, name, entry, &compressed)
            .with_context(|| format!("cannot pack {}", entry.display()))?;
        add(&packed_name(name), entry.is_dir(), compressed)?;
        stage.position(step);
    }
    let header = PackHeader { origin, members };
    let text = header.text()?;
    let new = tempfile::NamedTempFile::new_in(folder).with_context(cannot)?;
    let mut archive = tar::Builder::new(BufWriter::new(new.as_file()));
    append(
        &mut archive,
        HEADER,
        0o644,
        text.len() as u64,
        text.as_bytes(),
    )?;
    for (member, mut part) in header.members.iter().zip(parts) {
        part.rewind()?;
        let (name, mode) = match &*member.name {
            PROGRAM => (PROGRAM.to_owned(), 0o755),
            entry => (format!("{entry}{COMPRESSED}"), 0o644),
        };
        append(
            &mut archive,
            &name,
            mode,
            member.size,
            part.take(member.size),
        )
        .with_context(cannot)?;
    }
    let mut written = archive.into_inner().with_context(cannot)?;
    written.flush().with_context(cannot)?;
    drop(written);
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    new.as_file().set_permissions(permissions)?;
    let new = new.persist(file).with_context(cannot)?;
    let size = new.metadata()?.len();
    stage.done(false, crate::ui::size(size));
    Ok(size)
}

/// Returns the name that an entry has in a pack: a kernel's source, of which a pack has only parts, has
/// one of its own.
fn packed_name(name: &EntryName) -> String {
    match (name.kind(), name.entry().rsplit_once('-')) {
        ("sources", Some((version, key))) if !version.ends_with(PART) => {
            format!("sources/{version}{PART}-{key}")
        }
        _ => name.to_string(),
    }
}

/// Adds a member to a pack.
fn append(
    archive: &mut tar::Builder<impl Write>,
    name: &str,
    mode: u32,
    size: u64,
    contents: impl std::io::Read,
) -> Result<()> {
    ensure!(name.len() <= NAME_MAX, "{name} is too long for a pack");
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(0);
    archive.append_data(&mut header, name, contents)?;
    Ok(())
}

/// Writes the files of an entry that a pack has, as a compressed tar file.
fn compress(session: &Session, name: &EntryName, entry: &Path, to: &File) -> Result<()> {
    let mut encoder = zstd::Encoder::new(BufWriter::new(to), LEVEL)?;
    encoder.multithread(u32::try_from(session.jobs).unwrap_or(1))?;
    encoder.include_checksum(true)?;
    let mut archive = tar::Builder::new(encoder);
    // The same times and owners on every host.
    archive.mode(tar::HeaderMode::Deterministic);
    archive.follow_symlinks(false);
    if !entry.is_dir() {
        archive.append_path_with_name(entry, ITSELF)?;
    } else {
        for inner in files(name, entry)? {
            let path = entry.join(&inner);
            match inner.to_str() {
                Some(SOURCE_LINK) if name.kind() == "kernels" => {}
                Some(MAKEFILE) if name.kind() == "kernels" => {
                    let text = std::fs::read_to_string(&path)?;
                    let text = without_cache(&session.cache, &text);
                    let size = text.len() as u64;
                    append(&mut archive, MAKEFILE, 0o644, size, text.as_bytes())?;
                }
                _ => archive.append_path_with_name(&path, &inner)?,
            }
        }
    }
    let mut written = archive.into_inner()?.finish()?;
    Ok(written.flush()?)
}

/// Replaces the paths of cache folders in a file of a kernel.
fn without_cache(cache: &Cache, text: &str) -> String {
    let mut text = text.to_owned();
    for root in cache.roots() {
        text = text.replace(&*root.to_string_lossy(), CACHE);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_another_name_in_a_pack() {
        let packed = |name| EntryName::parse(name).map(|name| packed_name(&name));
        for (name, other) in [
            ("sources/6.12.117-0190e6", "sources/6.12.117-part-0190e6"),
            (
                "sources/6.12.117-part-0190e6",
                "sources/6.12.117-part-0190e6",
            ),
            ("kernels/6.12.117-0190e6", "kernels/6.12.117-0190e6"),
        ] {
            assert_eq!(packed(name).as_deref(), Some(other));
        }
    }
}
