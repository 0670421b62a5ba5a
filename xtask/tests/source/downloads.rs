//! Signed releases from mirrors that work, and from those that do not.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;

use crate::lab::{self, KEY, Lab, SIGNATURE, TARBALL, release, with};
use crate::server::{Answer, Server};
use crate::signer::Signer;

/// Asserts that obtaining fails with status 69 and `reason`, that the fallback was not taken, and
/// that nothing was kept.
fn assert_refused(lab: &Lab, reason: &str) -> Result<()> {
    let (error, status) = lab.error(None, None)?;
    assert!(error.contains(reason), "no {reason:?} in: {error}");
    assert_eq!(status, 69);
    assert_eq!(lab.session.ui.notes(), [""; 0], "no fallback");
    assert!(lab.kept("downloads")?.is_empty());
    assert!(lab.kept("sources")?.is_empty());
    Ok(())
}

fn lab_with(signer: &Signer, files: Vec<(String, Answer)>) -> Result<(Server, Lab)> {
    let server = Server::start(files)?;
    let lab = Lab::new(&[&server.url], signer.fingerprint)?;
    Ok((server, lab))
}

#[test]
fn a_signed_release_is_taken_and_kept() -> Result<()> {
    let signer = Signer::MAIN;
    let (server, lab) = lab_with(&signer, release(&signer)?)?;
    let source = lab.obtain(None)?;
    assert_eq!(source.version, "6.7.9");
    assert_eq!(source.kernel, "6.7.9");
    assert!(!source.cached);
    let main = std::fs::read_to_string(source.tree.join("init/main.c"))?;
    assert!(main.starts_with("one\n"));

    let asked = server.requests().len();
    let again = lab.obtain(Some("6.7.9"))?;
    assert!(again.cached);
    assert_eq!((again.tree, again.key), (source.tree, source.key));
    assert_eq!(server.requests().len(), asked, "the network was not used");
    Ok(())
}

#[test]
fn a_subkey_may_sign() -> Result<()> {
    let signer = Signer::MAIN;
    let signature = signer.signature("tar-by-subkey")?;
    let files = with(release(&signer)?, SIGNATURE, Some(Answer::Whole(signature)));
    let (_server, lab) = lab_with(&signer, files)?;
    assert_eq!(lab.obtain(None)?.version, "6.7.9");
    Ok(())
}

#[test]
fn a_key_may_be_armored_and_may_have_expired_since() -> Result<()> {
    for (signer, key) in [
        (Signer::MAIN, Signer::MAIN.armored_key()?),
        (Signer::EXPIRED, Signer::EXPIRED.key()?),
    ] {
        let files = with(release(&signer)?, KEY, Some(Answer::Whole(key)));
        let (_server, lab) = lab_with(&signer, files)?;
        assert_eq!(lab.obtain(None)?.version, "6.7.9");
    }
    Ok(())
}

#[test]
fn a_revoked_key_is_refused() -> Result<()> {
    let signer = Signer::REVOKED;
    let (_server, lab) = lab_with(&signer, release(&signer)?)?;
    assert_refused(&lab, "has been revoked")
}

#[test]
fn a_signature_of_text_is_refused() -> Result<()> {
    let signer = Signer::MAIN;
    let signature = Answer::Whole(signer.signature("tar-as-text")?);
    let files = with(release(&signer)?, SIGNATURE, Some(signature));
    let (_server, lab) = lab_with(&signer, files)?;
    assert_refused(&lab, "class 01")
}

#[test]
fn a_signature_of_the_compressed_file_is_refused() -> Result<()> {
    // A signature must cover the tar, not the xz.
    let signer = Signer::MAIN;
    let signature = Answer::Whole(signer.signature("xz")?);
    let files = with(release(&signer)?, SIGNATURE, Some(signature));
    let (_server, lab) = lab_with(&signer, files)?;
    assert_refused(&lab, "the signature is bad")
}

#[test]
fn a_file_that_is_not_openpgp_is_refused() -> Result<()> {
    let signer = Signer::MAIN;
    let page = || Some(Answer::Whole(b"<html>no such file</html>".to_vec()));
    let (_server, lab) = lab_with(&signer, with(release(&signer)?, SIGNATURE, page()))?;
    assert_refused(&lab, "is not an OpenPGP signature")?;
    let (_server, lab) = lab_with(&signer, with(release(&signer)?, KEY, page()))?;
    assert_refused(&lab, "it is not an OpenPGP key")
}

#[test]
fn an_altered_tarball_is_refused() -> Result<()> {
    let signer = Signer::MAIN;
    let mut tar = lab::tar("6.7.9")?;
    tar[1024] ^= 1;
    let altered = Answer::Whole(lab::xz(&tar)?);
    let (_server, lab) = lab_with(&signer, with(release(&signer)?, TARBALL, Some(altered)))?;
    assert_refused(&lab, "the signature is bad")
}

#[test]
fn a_truncated_tarball_is_refused() -> Result<()> {
    let signer = Signer::MAIN;
    let mut whole = lab::xz(&lab::tar("6.7.9")?)?;
    whole.truncate(whole.len() / 2);
    let files = with(release(&signer)?, TARBALL, Some(Answer::Whole(whole)));
    let (_server, lab) = lab_with(&signer, files)?;
    assert_refused(&lab, "damaged or truncated")
}

#[test]
fn an_unsigned_tarball_is_refused() -> Result<()> {
    let signer = Signer::MAIN;
    let (_server, lab) = lab_with(&signer, with(release(&signer)?, SIGNATURE, None))?;
    assert_refused(&lab, "cannot download linux-6.7.9.tar.sign")
}

#[test]
fn another_signer_is_refused() -> Result<()> {
    let (signer, other) = (Signer::MAIN, Signer::OTHER);
    let signature = Answer::Whole(other.signature("tar")?);
    let (_server, lab) = lab_with(&signer, with(release(&signer)?, SIGNATURE, Some(signature)))?;
    assert_refused(&lab, "the signature is not by")
}

#[test]
fn a_key_of_another_fingerprint_is_refused() -> Result<()> {
    let (signer, other) = (Signer::MAIN, Signer::OTHER);
    let (_server, lab) = lab_with(&signer, release(&other)?)?;
    assert_refused(&lab, "the pinned one is")
}

#[test]
fn no_key_no_kernel() -> Result<()> {
    let signer = Signer::MAIN;
    let (_server, lab) = lab_with(&signer, with(release(&signer)?, KEY, None))?;
    assert_refused(&lab, "cannot download the key")
}

#[test]
fn the_next_mirror_takes_over() -> Result<()> {
    let signer = Signer::MAIN;
    let tarball = lab::xz(&lab::tar("6.7.9")?)?;
    let half = tarball.len() / 2;
    for (first, resumed) in [
        (None, false),
        (Some(Answer::Stall(tarball.clone(), half)), true),
        (Some(Answer::HangUp(tarball.clone(), half)), true),
    ] {
        let good = Server::start(release(&signer)?)?;
        let bad = Server::start(with(release(&signer)?, TARBALL, first))?;
        let lab = Lab::new(&[&bad.url, &good.url], signer.fingerprint)?;
        assert_eq!(lab.obtain(None)?.version, "6.7.9");
        let request = if resumed {
            format!("{TARBALL} from {half}")
        } else {
            TARBALL.to_owned()
        };
        assert!(good.requests().contains(&request), "{:?}", good.requests());
    }
    Ok(())
}

#[test]
fn a_transfer_that_breaks_off_everywhere_is_no_reason_to_fall_back() -> Result<()> {
    let signer = Signer::MAIN;
    let tarball = lab::xz(&lab::tar("6.7.9")?)?;
    let nothing = Answer::HangUp(tarball.clone(), 0);
    let (_server, lab) = lab_with(&signer, with(release(&signer)?, TARBALL, Some(nothing)))?;
    assert_refused(&lab, "cannot download linux-6.7.9.tar.xz")?;
    let stall = Answer::Stall(tarball, 0);
    let (_server, lab) = lab_with(&signer, with(release(&signer)?, TARBALL, Some(stall)))?;
    assert_refused(&lab, "no byte for 0.5 s")
}

#[test]
fn a_line_that_breaks_now_and_then_is_enough() -> Result<()> {
    let signer = Signer::MAIN;
    let tarball = lab::xz(&lab::tar("6.7.9")?)?;
    let third = tarball.len() / 3 + 1;
    let breaks = Answer::HangUp(tarball, third);
    let (_server, lab) = lab_with(&signer, with(release(&signer)?, TARBALL, Some(breaks)))?;
    assert_eq!(lab.obtain(None)?.version, "6.7.9");
    Ok(())
}

#[test]
fn the_users_mirror_comes_first_and_may_have_the_key() -> Result<()> {
    let signer = Signer::MAIN;
    let mut files = with(release(&signer)?, KEY, None);
    let key = format!("{}.asc", signer.fingerprint);
    files.push((key, Answer::Whole(signer.key()?)));
    let own = Server::start(files)?;
    let nobody = Server::nobody()?;
    let mut lab = Lab::new(&[&nobody], signer.fingerprint)?;
    lab.settings.mirror = Some(own.url.clone());
    assert_eq!(lab.obtain(None)?.version, "6.7.9");
    assert_eq!(lab.session.ui.notes(), [""; 0]);
    Ok(())
}

#[test]
fn a_named_kernel_without_a_mirror_is_an_error() -> Result<()> {
    let nobody = Server::nobody()?;
    let lab = Lab::new(&[&nobody], &"0".repeat(40))?;
    let (error, status) = lab.error(Some("6.7.9"), None)?;
    assert_eq!(status, 69);
    for part in [
        &nobody,
        "refused",
        "KMODLAB_MIRROR",
        "--kernel-source",
        "--kernel 6.12",
    ] {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
    // Without a name, the fallback is tried too.
    let (error, status) = lab.error(None, None)?;
    assert_eq!(status, 69);
    assert!(error.contains("kernel 6.12 is not available either"));
    assert!(error.contains("this host does not have apt"));
    Ok(())
}

#[test]
fn a_mirror_that_never_answers_is_not_reached() -> Result<()> {
    // The kernel accepts connections, but nobody answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", silent.local_addr()?);
    let lab = Lab::new(&[&url], &"0".repeat(40))?;
    let started = std::time::Instant::now();
    let (error, status) = lab.error(Some("6.7.9"), None)?;
    assert!(error.contains("no answer within"), "{error}");
    assert_eq!(status, 69);
    assert!(started.elapsed() < lab.settings.reach * 2);
    Ok(())
}

/// Makes an apt-get that has one package; returns false without dpkg-deb, which makes the package.
fn fake_apt(lab: &mut Lab) -> Result<bool> {
    if xtask::process::which("dpkg-deb").is_none() {
        eprintln!("skipped: there is no dpkg-deb here");
        return Ok(false);
    }
    let folder = lab.folder.path();
    let root = folder.join("package");
    std::fs::create_dir_all(root.join("DEBIAN"))?;
    std::fs::create_dir_all(root.join("usr/src"))?;
    let control = "Package: linux-source-6.12\nVersion: 6.12.5-1\nArchitecture: all\n\
                   Maintainer: T <t@example.org>\nDescription: test\n";
    std::fs::write(root.join("DEBIAN/control"), control)?;
    let tarball = lab::xz(&lab::tar("6.12.5")?)?;
    std::fs::write(root.join("usr/src/linux-source-6.12.tar.xz"), tarball)?;
    let deb = folder.join("linux-source-6.12_6.12.5-1_all.deb");
    let built = std::process::Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .args([&root, &deb])
        .output()?;
    assert!(built.status.success(), "{built:?}");
    let script = format!(
        "#!/bin/sh\necho \"$*\" >>{}\ncase \"$*\" in\n*--print-uris*) echo \"'http://x/y' {} {} \
         SHA256:00\";;\n*download*) cp {} .;;\n*update*) touch {}/test_Packages;;\nesac\n",
        folder.join("apt.log").display(),
        "linux-source-6.12_6.12.5-1_all.deb",
        std::fs::metadata(&deb)?.len(),
        deb.display(),
        folder.join("cache/apt/lists").display(),
    );
    let apt_get = folder.join("apt-get");
    std::fs::write(&apt_get, script)?;
    std::fs::set_permissions(&apt_get, std::fs::Permissions::from_mode(0o755))?;
    lab.settings.apt_get = apt_get.into();
    Ok(true)
}

#[test]
fn without_a_mirror_the_fallback_is_taken_with_two_notes() -> Result<()> {
    let nobody = Server::nobody()?;
    let mut lab = Lab::new(&[&nobody], &"0".repeat(40))?;
    if !fake_apt(&mut lab)? {
        return Ok(());
    }
    let source = lab.obtain(None)?;
    assert_eq!(source.kernel, "6.12");
    assert_eq!(source.version, "6.12.5");
    let notes = lab.session.ui.notes();
    let [what, instead] = notes.as_slice() else {
        panic!("two notes, not {notes:?}");
    };
    assert!(what.contains("could not reach 127.0.0.1"), "{what}");
    assert!(instead.contains("kernel 6.12 is used instead"), "{instead}");
    assert!(instead.contains("--kernel 6.7.9"), "{instead}");

    // The answer is remembered, and a short note says so; apt is not used again.
    let log = lab.folder.path().join("apt.log");
    let asked = std::fs::read_to_string(&log)?;
    let again = lab.obtain(None)?;
    assert!(again.cached);
    let notes = lab.session.ui.notes();
    let [_, _, remembered] = notes.as_slice() else {
        panic!("three notes, not {notes:?}");
    };
    let said = "6.12 is used instead of 6.7.9, which could not be reached 0 min ago";
    assert!(remembered.contains(said), "{remembered}");
    assert_eq!(std::fs::read_to_string(&log)?, asked);
    // A named kernel is tried again.
    assert_eq!(lab.error(Some("6.7.9"), None)?.1, 69);
    Ok(())
}

#[test]
fn two_at_once_make_one_tree() -> Result<()> {
    let signer = Signer::MAIN;
    let (server, lab) = lab_with(&signer, release(&signer)?)?;
    let both = std::thread::scope(|scope| {
        let one = scope.spawn(|| lab.obtain(None));
        let two = scope.spawn(|| lab.obtain(None));
        [one, two].map(|run| run.join().expect("no panic"))
    });
    let [one, two] = both;
    let (one, two) = (one?, two?);
    assert_eq!(one.tree, two.tree);
    assert!(one.cached != two.cached, "one of them made it");
    let downloads = server.requests();
    let downloads = downloads.iter().filter(|name| *name == TARBALL);
    assert_eq!(downloads.count(), 1);
    Ok(())
}

/// A small file system, which is unmounted after the test.
struct SmallDisk(std::path::PathBuf);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The test's clean-up removes the folder, if this succeeds.
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_called_that() -> Result<()> {
    let signer = Signer::MAIN;
    let (_server, mut lab) = lab_with(&signer, release(&signer)?)?;
    let folder = lab.folder.path().join("small");
    std::fs::create_dir(&folder)?;
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=192k", "tmpfs"])
        .arg(&folder)
        .output();
    if !mounted.is_ok_and(|mounted| mounted.status.success()) {
        eprintln!("skipped: a small file system cannot be mounted here");
        return Ok(());
    }
    let _disk = SmallDisk(folder.clone());
    lab.session.cache = xtask::cache::Cache::at(&folder)?;
    let (error, status) = lab.error(None, None)?;
    assert!(error.contains("no space left in"), "{error}");
    assert!(error.contains("KMODLAB_CACHE"), "{error}");
    assert_eq!(status, 69);
    assert!(lab.kept("sources")?.is_empty());
    Ok(())
}
