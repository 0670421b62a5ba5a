//! `--kernel-source`, and the patches.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use xtask::key::Inputs;

use crate::lab::{self, Lab, write_tree};

const PATCH: &str = "Why: a test.\n\n--- a/init/main.c\n+++ b/init/main.c\n@@ -1,5 +1,5 @@\n one\n \
                     two\n-three\n+THREE\n four\n five\n";

fn lab() -> Result<Lab> {
    Lab::new(&[], &"0".repeat(40))
}

fn tree(lab: &Lab, version: &str) -> Result<std::path::PathBuf> {
    let folder = lab.folder.path().join(format!("tree-{version}"));
    write_tree(&folder, version)?;
    Ok(folder)
}

#[test]
fn a_tree_is_copied_patched_and_left_alone() -> Result<()> {
    let lab = lab()?;
    lab.patch("0001-three.patch", PATCH)?;
    let given = tree(&lab, "6.7.9")?;
    std::fs::create_dir(given.join(".git"))?;
    std::fs::write(given.join(".git/HEAD"), "ref")?;
    std::os::unix::fs::symlink("main.c", given.join("init/link.c"))?;
    let before = Inputs::new("t").tree("given", &given)?.key();
    let source = lab.obtain_from(None, Some(&given))?;
    assert_eq!(source.kernel, "6.7.9");
    assert_eq!(source.version, "6.7.9");
    assert_eq!(lab.session.ui.notes(), [""; 0]);
    let read = |tree: &Path, name| std::fs::read_to_string(tree.join(name));
    assert!(read(&source.tree, "init/link.c")?.contains("THREE"));
    assert!(read(&given, "init/main.c")?.contains("three"));
    assert_eq!(Inputs::new("t").tree("given", &given)?.key(), before);
    assert!(!source.tree.join(".git").exists());
    assert!(lab.obtain_from(None, Some(&given))?.cached);

    // Other contents and other patches give other trees.
    std::fs::write(given.join("COPYING"), "other")?;
    let other = lab.obtain_from(None, Some(&given))?;
    assert_ne!(other.key, source.key);
    lab.patch("0001-three.patch", &PATCH.replace("THREE", "3"))?;
    let patched = lab.obtain_from(None, Some(&given))?;
    assert!(read(&patched.tree, "init/main.c")?.contains("two\n3\nfour"));
    Ok(())
}

#[test]
fn a_settled_tree_is_recognised_and_an_edit_is_seen() -> Result<()> {
    let lab = lab()?;
    let given = tree(&lab, "6.7.9")?;
    let first = lab.obtain_from(None, Some(&given))?;
    std::thread::sleep(std::time::Duration::from_millis(3100));
    assert_eq!(lab.obtain_from(None, Some(&given))?.key, first.key);
    let resolved = lab.session.cache.folder("resolved")?;
    assert_eq!(std::fs::read_dir(resolved)?.count(), 1, "it is remembered");
    assert_eq!(lab.obtain_from(None, Some(&given))?.key, first.key);
    std::fs::write(given.join("COPYING"), "LPG\n")?;
    assert_ne!(lab.obtain_from(None, Some(&given))?.key, first.key);
    Ok(())
}

#[test]
fn tarballs_of_all_kinds_are_taken() -> Result<()> {
    let lab = lab()?;
    let folder = lab.folder.path();
    let plain = folder.join("plain");
    std::fs::write(&plain, lab::tar("6.7.9")?)?;
    let xz = folder.join("linux.tar.xz");
    std::fs::write(&xz, lab::xz(&lab::tar("6.7.9")?)?)?;
    let mut files = vec![plain.clone(), xz];
    match Command::new("gzip").args(["-k"]).arg(&plain).status() {
        Ok(status) if status.success() => files.push(folder.join("plain.gz")),
        _ => eprintln!("skipped: there is no gzip here"),
    }
    for file in files {
        let source = lab.obtain_from(Some("6.7.9"), Some(&file))?;
        assert!(source.tree.join("init/main.c").is_file());
        assert!(lab.obtain_from(None, Some(&file))?.cached);
    }
    Ok(())
}

#[test]
fn another_patch_level_is_taken_with_a_warning() -> Result<()> {
    let lab = lab()?;
    let given = tree(&lab, "6.7.3")?;
    assert_eq!(lab.obtain_from(None, Some(&given))?.version, "6.7.3");
    let notes = lab.session.ui.notes();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("6.7.3") && notes[0].contains("6.7.9"));
    // A kernel without a version accepts each patch level of its series.
    let given = tree(&lab, "6.12.44")?;
    lab.obtain_from(Some("6.12"), Some(&given))?;
    assert_eq!(lab.session.ui.notes().len(), 1);
    Ok(())
}

#[test]
fn another_series_is_refused() -> Result<()> {
    let lab = lab()?;
    for (version, advice) in [
        ("6.12.1", "`--kernel 6.12` fits it"),
        ("6.8.1", "no kernel of kernels.toml fits it"),
    ] {
        let given = tree(&lab, version)?;
        let (error, status) = lab.error(None, Some(&given))?;
        assert_eq!(status, 2);
        assert!(error.contains(version) && error.contains(advice), "{error}");
        let tarball = lab.folder.path().join(format!("{version}.tar.xz"));
        std::fs::write(&tarball, lab::xz(&lab::tar(version)?)?)?;
        let (error, status) = lab.error(None, Some(&tarball))?;
        assert_eq!(status, 2);
        assert!(error.contains(advice), "{error}");
    }
    assert!(lab.kept("sources")?.is_empty());
    Ok(())
}

#[test]
fn a_path_that_is_not_a_kernel_tree_is_refused() -> Result<()> {
    let lab = lab()?;
    let folder = lab.folder.path();
    let no_kbuild = tree(&lab, "6.7.9")?;
    std::fs::remove_file(no_kbuild.join("Kbuild"))?;
    let built = folder.join("built");
    write_tree(&built, "6.7.9")?;
    std::fs::write(built.join(".config"), "")?;
    let text = folder.join("text");
    std::fs::write(&text, "hello")?;
    for (path, reason) in [
        (no_kbuild, "does not have a file Kbuild"),
        (built, "make mrproper"),
        (text, "neither a folder nor a tarball"),
        (folder.join("nothing"), "No such file"),
        (folder.to_owned(), "does not have a file Makefile"),
    ] {
        let (error, status) = lab.error(None, Some(&path))?;
        assert!(error.contains(reason), "{error}");
        assert_eq!(status, 2, "{error}");
    }
    let (error, status) = lab.error(Some("6.9"), None)?;
    assert_eq!(status, 2);
    assert!(error.contains("there are: 6.12, 6.7.9"), "{error}");
    Ok(())
}

#[test]
fn a_truncated_tarball_is_refused() -> Result<()> {
    let lab = lab()?;
    let path = lab.folder.path().join("cut.tar.xz");
    let whole = lab::xz(&lab::tar("6.7.9")?)?;
    std::fs::write(&path, &whole[..whole.len() - 5000])?;
    let (error, _) = lab.error(None, Some(&path))?;
    assert!(error.contains("damaged or truncated"), "{error}");
    assert!(lab.kept("sources")?.is_empty());
    Ok(())
}

#[test]
fn a_patch_that_does_not_apply_is_named() -> Result<()> {
    let lab = lab()?;
    lab.patch("0001-three.patch", PATCH)?;
    lab.patch(
        "0002-six.patch",
        &PATCH.replace("three", "six").replace("THREE", "SIX"),
    )?;
    let given = tree(&lab, "6.7.9")?;
    let (error, status) = lab.error(None, Some(&given))?;
    assert_eq!(status, 69);
    for part in ["0002-six.patch", "6.7.9", "init/main.c", "FAILED"] {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
    assert!(!error.contains("0001-three.patch"), "{error}");
    assert!(lab.kept("sources")?.is_empty());
    Ok(())
}
