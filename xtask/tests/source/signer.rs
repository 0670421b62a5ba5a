//! Keys and signatures, made once with gpg and committed, so that the tests need gpgv alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::lab;

/// The owner of a key who has signed the tar of [`lab::tar`].
#[derive(Clone, Copy)]
pub struct Signer {
    name: &'static str,
    pub fingerprint: &'static str,
}

impl Signer {
    /// The owner of a key that signs by itself and has a subkey that signs.
    pub const MAIN: Self = Self {
        name: "main",
        fingerprint: "B375EC961EFF2A8FBB83021D4EDD28A17B736E80",
    };

    /// The owner of another key.
    pub const OTHER: Self = Self {
        name: "other",
        fingerprint: "43CF2BE4AA4E5591611F19ABAB8C622E9EEB49F5",
    };

    /// The owner of a key that was valid for the first days of 2024, and signed then.
    pub const EXPIRED: Self = Self {
        name: "expired",
        fingerprint: "F5B5F65AC275541B820BD83D59C04ECFF325CF39",
    };

    /// The owner of a key who has revoked it.
    pub const REVOKED: Self = Self {
        name: "revoked",
        fingerprint: "B230C8D77A34CA6AD1369727D97D2E8DE7576A96",
    };

    /// Returns the public key, binary, as a Web Key Directory serves it.
    pub fn key(self) -> Result<Vec<u8>> {
        self.file("key")
    }

    /// Returns the public key, armored.
    pub fn armored_key(self) -> Result<Vec<u8>> {
        self.file("asc")
    }

    /// Returns the detached signature of `what`, armored.
    pub fn signature(self, what: &str) -> Result<Vec<u8>> {
        self.file(&format!("{what}.sign"))
    }

    fn file(self, what: &str) -> Result<Vec<u8>> {
        let path = folder().join(format!("{}.{what}", self.name));
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/source/signatures")
}

/// Makes the committed files again, with new keys, and prints their fingerprints; run it after a
/// change of [`lab::tar`] or [`lab::xz`]:
/// `cargo test -p xtask --test source make_the_signatures -- --ignored --nocapture`.
#[test]
#[ignore = "makes new keys, which takes gpg"]
fn make_the_signatures_again() -> Result<()> {
    const IN_2024: &[&str] = &["--faked-system-time", "20240102T000000!"];
    let home = tempfile::tempdir()?;
    let tar = home.path().join("tar");
    std::fs::write(&tar, lab::tar("6.7.9")?)?;
    let xz = home.path().join("xz");
    std::fs::write(&xz, lab::xz(&lab::tar("6.7.9")?)?)?;
    let gpg = |args: &[&str]| -> Result<Vec<u8>> {
        let output = Command::new("gpg")
            .args(["--batch", "--yes", "--pinentry-mode", "loopback"])
            .args(["--passphrase", "", "--homedir"])
            .arg(home.path())
            .args(args)
            .output()
            .context("gpg")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "gpg {args:?}: {errors}");
        Ok(output.stdout)
    };
    let write = |name: &str, what: &str, contents: Vec<u8>| {
        std::fs::write(folder().join(format!("{name}.{what}")), contents)
    };
    std::fs::create_dir_all(folder())?;
    for (name, when, expiry) in [
        ("main", &[][..], "never"),
        ("other", &[][..], "never"),
        ("expired", IN_2024, "10d"),
        ("revoked", &[][..], "never"),
    ] {
        let user = format!("{name}@example.org");
        let with = |args: &[&str]| gpg(&[when, args].concat());
        with(&["--quick-generate-key", &user, "ed25519", "sign", expiry])?;
        let listed = with(&["--with-colons", "--list-keys", &user])?;
        let listed = String::from_utf8(listed)?;
        let fingerprint = listed
            .lines()
            .find_map(|line| line.strip_prefix("fpr:::::::::"))
            .context("a fingerprint")?
            .trim_end_matches(':');
        println!("{name}: {fingerprint}");
        let sign = |key: &str, mode: &[&str], file: &Path| {
            let file = file.to_string_lossy();
            let sign = ["--armor", "--local-user", key, "--output", "-"];
            with(&[&sign[..], mode, &["--detach-sign", &file]].concat())
        };
        let primary = format!("{fingerprint}!");
        write(name, "tar.sign", sign(&primary, &[], &tar)?)?;
        if name == "main" {
            write(name, "xz.sign", sign(&primary, &[], &xz)?)?;
            write(
                name,
                "tar-as-text.sign",
                sign(&primary, &["--textmode"], &tar)?,
            )?;
            with(&["--quick-add-key", fingerprint, "ed25519", "sign", expiry])?;
            let listed = String::from_utf8(with(&["--with-colons", "--list-keys", &user])?)?;
            let subkey = listed
                .lines()
                .filter_map(|line| line.strip_prefix("fpr:::::::::"))
                .nth(1)
                .context("a subkey")?
                .trim_end_matches(':');
            let signature = sign(&format!("{subkey}!"), &[], &tar)?;
            write(name, "tar-by-subkey.sign", signature)?;
        }
        if name == "revoked" {
            // gpg keeps a revocation beside each new key, made harmless by a colon.
            let path = home
                .path()
                .join(format!("openpgp-revocs.d/{fingerprint}.rev"));
            let revocation = std::fs::read_to_string(&path)?.replace(":-----", "-----");
            std::fs::write(&path, revocation)?;
            gpg(&["--import", &path.to_string_lossy()])?;
        }
        write(name, "key", gpg(&["--export", fingerprint])?)?;
        if name == "main" {
            write(name, "asc", gpg(&["--armor", "--export", fingerprint])?)?;
        }
    }
    Ok(())
}
