use super::super::header::tests::header;
use super::super::{BLOCK, PackedMember};
use super::*;
use crate::cache::Cache;
use crate::ui::Ui;
use crate::workspace::Workspace;

/// Opens a session with an empty cache.
fn session(folder: &Path) -> Result<Session> {
    Ok(Session {
        workspace: Workspace::find()?,
        cache: Cache::at(folder)?,
        ui: Ui::new(false),
        may_install: false,
        jobs: 2,
    })
}

/// Returns the contents of a member: a compressed tar file of these files.
fn member(files: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1)?);
    for (name, contents) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *contents)?;
    }
    Ok(archive.into_inner()?.finish()?)
}

/// Writes a pack with these members.
fn pack(path: &Path, members: &[(&str, bool, Vec<u8>)]) -> Result<()> {
    let described = members.iter().map(|(name, folder, contents)| PackedMember {
        name: (*name).to_owned(),
        folder: *folder,
        size: contents.len() as u64,
        hash: blake3::hash(contents).to_hex().to_string(),
    });
    let header = header(described.collect());
    let text = header.text()?;
    let mut archive = tar::Builder::new(Vec::new());
    // The names of the header count, not those of tar.
    let all = members
        .iter()
        .map(|(_, _, contents)| ("member", &contents[..]));
    for (name, contents) in [("pack", text.as_bytes())].into_iter().chain(all) {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        archive.append_data(&mut header, name, contents)?;
    }
    Ok(std::fs::write(path, archive.into_inner()?)?)
}

/// Writes a pack with a module and an agent.
fn small_pack(path: &Path) -> Result<()> {
    let module = member(&[("x.ko", b"module"), ("stripped/x.ko", b"mod")])?;
    let agent = member(&[(ITSELF, b"agent")])?;
    let members = [
        ("modules/x-c-0123456789ab", true, module),
        ("agent/kmodlab-agent-0123456789ab", false, agent),
    ];
    pack(path, &members)
}

fn refusal(path: &Path) -> String {
    PackFile::open(path).map_or_else(|error| format!("{error:#}"), |_| String::new())
}

#[test]
fn entries_are_unpacked_once_and_what_is_there_stays() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let session = session(&folder.path().join("cache"))?;
    let path = folder.path().join("x.pack");
    small_pack(&path)?;
    let opened = PackFile::open(&path)?;
    let unpacked = entries(&session, &opened)?;
    assert_eq!(unpacked, Unpacked { new: 2, present: 0 });
    let module = session.cache.root().join("modules/x-c-0123456789ab");
    assert_eq!(std::fs::read(module.join("stripped/x.ko"))?, b"mod");
    let agent = session
        .cache
        .root()
        .join("agent/kmodlab-agent-0123456789ab");
    assert_eq!(std::fs::read(&agent)?, b"agent");
    assert!(session.cache.is_whole(&module, crate::cache::Parts::All)?);
    let unpacked = entries(&session, &opened)?;
    assert_eq!(unpacked, Unpacked { new: 0, present: 2 });
    // A damaged entry is mended.
    std::fs::write(&agent, "no agent")?;
    let unpacked = entries(&session, &opened)?;
    assert_eq!(unpacked, Unpacked { new: 1, present: 1 });
    assert_eq!(std::fs::read(&agent)?, b"agent");
    assert_eq!(
        std::fs::read_dir(session.cache.root().join("staging"))?.count(),
        0
    );
    Ok(())
}

#[test]
fn a_pack_that_is_cut_anywhere_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("x.pack");
    small_pack(&path)?;
    let whole = std::fs::read(&path)?;
    for length in [whole.len() - 1, whole.len() / 2, 2 * BLOCK as usize, 600] {
        std::fs::write(&path, &whole[..length])?;
        let refusal = refusal(&path);
        assert!(refusal.contains("is cut: it has"), "{length}: {refusal}");
        assert!(
            refusal.contains("copy the pack from its origin again"),
            "{refusal}"
        );
    }
    for length in [0, 100] {
        std::fs::write(&path, &whole[..length])?;
        assert!(refusal(&path).contains("is not a pack"), "{length}");
    }
    Ok(())
}

#[test]
fn a_pack_that_is_altered_anywhere_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("x.pack");
    small_pack(&path)?;
    let whole = std::fs::read(&path)?;
    let opened = PackFile::open(&path)?;
    let sizes = opened.header().members.iter().map(|member| member.size);
    let mut contents = Vec::from([(600..700).collect::<Vec<usize>>()]);
    let mut at = whole.len() as u64 - 2 * BLOCK;
    for size in sizes.collect::<Vec<_>>().into_iter().rev() {
        at -= super::super::padded(size);
        contents.push((at as usize..(at + size) as usize).collect());
        at -= BLOCK;
    }
    for byte in contents.into_iter().flatten() {
        let mut altered = whole.clone();
        altered[byte] ^= 1;
        std::fs::write(&path, altered)?;
        assert!(
            refusal(&path).contains("was altered: "),
            "{byte}: {}",
            refusal(&path)
        );
    }
    std::fs::write(&path, [&whole[..], b"more"].concat())?;
    assert!(refusal(&path).contains("was altered: its length"));
    Ok(())
}

#[test]
fn a_file_that_is_not_a_pack_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("x.pack");
    std::fs::write(&path, "x".repeat(5000))?;
    assert!(refusal(&path).contains("is not a pack of kmodlab"));
    std::fs::remove_file(&path)?;
    assert!(refusal(&path).contains("cannot read"));
    Ok(())
}

#[test]
fn a_pack_of_another_version_or_host_is_refused_before_anything_changes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let session = session(&folder.path().join("cache"))?;
    let path = folder.path().join("x.pack");
    small_pack(&path)?;
    let opened = PackFile::open(&path)?;
    let error = |result: Result<()>| result.map_or_else(|error| error.to_string(), |()| "".into());
    let refused = error(unpack(&session, &opened).map(drop));
    assert!(
        refused.contains("made by another version of kmodlab (0.1.0 with the recipe r)"),
        "{refused}"
    );
    assert!(
        refused.contains("make the pack with the same version"),
        "{refused}"
    );
    assert!(!session.cache.root().join("modules").exists());
    assert!(check_host(&opened, "debian 12").is_ok());
    let refused = error(check_host(&opened, "debian 13"));
    assert!(
        refused.contains("was made on debian 12, and this host is debian 13"),
        "{refused}"
    );
    assert!(check_compilers(&opened, &["clang version 19.1.7".to_owned()]).is_ok());
    let refused = error(check_compilers(
        &opened,
        &["clang version 19.1.8".to_owned()],
    ));
    assert!(
        refused.contains("This host: clang version 19.1.8"),
        "{refused}"
    );
    // A pack with the program names the remedy.
    pack(&path, &[(PROGRAM, false, b"program".to_vec())])?;
    let refused = error(check_recipe(&session, &PackFile::open(&path)?));
    assert!(
        refused.contains("use the one in the pack: `tar -xf "),
        "{refused}"
    );
    Ok(())
}

#[test]
fn a_member_cannot_leave_the_cache() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let session = session(&folder.path().join("cache"))?;
    let path = folder.path().join("x.pack");
    for name in ["locks/a", "../modules/x-1", "modules/../x"] {
        pack(&path, &[(name, false, member(&[(ITSELF, b"x")])?)])?;
        let refused = entries(&session, &PackFile::open(&path)?);
        assert!(refused.is_err_and(|error| error.to_string().contains("is not a cache entry")));
    }
    // tar's own builder does not write such a name.
    let mut archive = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1)?);
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..8].copy_from_slice(b"../../up");
    header.set_size(1);
    header.set_cksum();
    archive.append(&header, &b"x"[..])?;
    let climbing = archive.into_inner()?.finish()?;
    pack(&path, &[("modules/x-c-1", true, climbing)])?;
    assert!(entries(&session, &PackFile::open(&path)?).is_err());
    assert!(!session.cache.root().join("up").exists());
    assert!(!session.cache.root().join("modules/x-c-1").exists());
    Ok(())
}

#[test]
fn empty_pages_of_a_large_file_take_no_room() -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("guest/memory");
    let mut memory = vec![0; 3 * PAGE + 5];
    memory[PAGE + 7] = 1;
    write_sparse(&mut &memory[..], &path, false)?;
    assert_eq!(std::fs::read(&path)?, memory);
    let mut large = vec![0; 64 * PAGE];
    large[0] = 1;
    let path = folder.path().join("large");
    write_sparse(&mut &large[..], &path, true)?;
    let metadata = path.metadata()?;
    assert_eq!(metadata.len(), large.len() as u64);
    assert!(metadata.blocks() * 512 < large.len() as u64);
    Ok(())
}
