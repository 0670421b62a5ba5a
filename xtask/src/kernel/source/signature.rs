//! Detached OpenPGP signatures by a key whose fingerprint is pinned, checked by gpgv(1).
//!
//! The fingerprint is a hash of the primary key itself, so a key that has it is the right one
//! wherever it came from. gpgv accepts a subkey only if the primary key binds it for signing and
//! the subkey signs back. A key that has expired may have signed before it did, so expiry is
//! ignored; a revoked key is refused.

use std::io::{Read, Write as _};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::failure::Failure;
use crate::process::{Tool, which};

/// Size of the pieces in which data goes to gpgv, in bytes.
const CHUNK: usize = 256 << 10;

/// Checks that the detached signature in the file `signature`, armored or not, covers all of
/// `data`, and that the key in the file `key`, binary, made it and has `fingerprint`: 40
/// upper-case hexadecimal digits. Reads `data` once.
///
/// # Errors
///
/// Fails if `data` cannot be read, if there is no gpgv, and if the signature is anything but a
/// good one by the pinned key.
pub fn verify(signature: &Path, key: &Path, fingerprint: &str, mut data: impl Read) -> Result<()> {
    let gpgv = which("gpgv").ok_or_else(|| {
        Failure::host(format!(
            "there is no gpgv to check signatures with; `{} doctor` names its package",
            crate::program::name()
        ))
    })?;
    // No guard: gpgv ends when its input does, which xtask's own end closes.
    let mut child = Tool::new(gpgv)
        .clean_env()
        // Nothing of the user's own ~/.gnupg counts.
        .arg("--homedir")
        .arg(key.parent().unwrap_or(Path::new("/")))
        .args(["--status-fd", "1", "--keyring"])
        .arg(key)
        .arg(signature)
        .arg("-")
        .bare()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run gpgv")?;
    let mut input = child.stdin.take().context("gpgv has no input")?;
    let mut chunk = vec![0; CHUNK];
    loop {
        match data.read(&mut chunk) {
            Ok(0) => break,
            // gpgv has given up; its status says why.
            Ok(count) if input.write_all(&chunk[..count]).is_err() => break,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                drop(input);
                let _ = child.wait();
                return Err(error).context("the tarball is damaged or truncated");
            }
        }
    }
    drop(input);
    let output = child.wait_with_output().context("cannot wait for gpgv")?;
    crate::process::park_if_interrupted();
    let status = String::from_utf8_lossy(&output.stdout);
    judge(&status, fingerprint)?;
    // Belt and braces: gpgv's status lines were all right, so it exits with 0.
    ensure!(
        output.status.success(),
        Failure::host(format!(
            "gpgv failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    );
    Ok(())
}

/// Judges what gpgv wrote to its status descriptor (doc/DETAILS of GnuPG).
fn judge(status: &str, fingerprint: &str) -> Result<()> {
    let lines: Vec<Vec<&str>> = status
        .lines()
        .filter_map(|line| line.strip_prefix("[GNUPG:] "))
        .map(|line| line.split(' ').collect())
        .collect();
    let line = |keyword: &str| lines.iter().find(|words| words.first() == Some(&keyword));
    let refuse = |why: String| -> Result<()> { Err(Failure::host(why).into()) };
    if line("BADSIG").is_some() {
        return refuse("the signature is bad".to_owned());
    }
    if line("REVKEYSIG").is_some() {
        return refuse(format!("key {fingerprint} has been revoked by its owner"));
    }
    if line("EXPSIG").is_some() {
        return refuse("the signature has expired".to_owned());
    }
    if let Some(words) = line("NO_PUBKEY") {
        let signer = words.get(1).unwrap_or(&"nobody");
        return refuse(format!(
            "the signature is not by {fingerprint} but by {signer}"
        ));
    }
    // VALIDSIG: fingerprint, date, time, expiry, version, reserved, algorithm, hash, class and
    // the primary key's fingerprint.
    let (Some(valid), true) = (
        line("VALIDSIG"),
        line("GOODSIG").or_else(|| line("EXPKEYSIG")).is_some(),
    ) else {
        return refuse(format!(
            "the signature is not an OpenPGP signature by {fingerprint}"
        ));
    };
    let (Some(&class), Some(&primary)) = (valid.get(9), valid.get(10)) else {
        bail!("cannot read gpgv's status {valid:?}");
    };
    if primary != fingerprint {
        return refuse(format!(
            "the key has the fingerprint {primary}, the pinned one is {fingerprint}"
        ));
    }
    if class != "00" {
        return refuse(format!(
            "the signature is of class {class}, not one of binary data (00)"
        ));
    }
    Ok(())
}

/// Returns the binary form of a key, armored or not: what gpgv takes as a key ring.
///
/// # Errors
///
/// Fails if `key` is neither.
pub fn dearmored(key: &[u8]) -> Result<Vec<u8>> {
    // Every binary packet begins with bit 7 set (RFC 9580, 4.2).
    if key.first().is_some_and(|byte| byte & 0x80 != 0) {
        return Ok(key.to_owned());
    }
    let text = std::str::from_utf8(key).unwrap_or_default();
    let body: String = text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "-----BEGIN PGP PUBLIC KEY BLOCK-----")
        // Headers end with an empty line, and the checksum comes after the body.
        .skip_while(|line| !line.is_empty())
        .take_while(|line| !line.starts_with(['=', '-']))
        .collect();
    ensure!(!body.is_empty(), "it is not an OpenPGP key");
    STANDARD.decode(body).context("it is not an OpenPGP key")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PINNED: &str = "647F28654894E3BD457199BE38DBBDC86092693E";

    fn status(keyword: &str, class: &str, primary: &str) -> String {
        format!(
            "[GNUPG:] NEWSIG\n[GNUPG:] {keyword} 38DBBDC86092693E Somebody <a@example.org>\n\
             [GNUPG:] VALIDSIG {PINNED} 2024-03-06 1709737486 0 4 0 1 8 {class} {primary}\n"
        )
    }

    #[test]
    fn only_a_good_signature_of_binary_data_by_the_pinned_key_will_do() {
        for keyword in ["GOODSIG", "EXPKEYSIG"] {
            assert!(judge(&status(keyword, "00", PINNED), PINNED).is_ok());
        }
        let other = "0".repeat(40);
        for (text, reason) in [
            (status("GOODSIG", "01", PINNED), "class 01"),
            (status("GOODSIG", "00", &other), "the pinned one is"),
            (status("REVKEYSIG", "00", PINNED), "revoked"),
            (status("EXPSIG", "00", PINNED), "expired"),
            (status("BADSIG", "00", PINNED), "the signature is bad"),
            (
                status("GOODSIG", "00", PINNED).replace("VALID", "IN"),
                "is not an OpenPGP",
            ),
            (
                "[GNUPG:] ERRSIG 1F 1 8 00 9 9\n[GNUPG:] NO_PUBKEY 1F\n".to_owned(),
                "but by 1F",
            ),
            (String::new(), "is not an OpenPGP"),
            // A user ID cannot speak for gpgv.
            (
                format!("[GNUPG:] BADSIG x\n{}", status("GOODSIG", "00", PINNED)),
                "is bad",
            ),
        ] {
            let error = judge(&text, PINNED).expect_err(reason);
            assert!(error.to_string().contains(reason), "{error}");
        }
    }

    #[test]
    fn an_armored_key_is_unpacked() -> Result<()> {
        let armored = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\nmQEN\nBA==\n=abcd\n\
                       -----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(dearmored(armored.as_bytes())?, b"\x99\x01\x0d\x04");
        assert_eq!(dearmored(b"\x99\x01\x0d")?, b"\x99\x01\x0d");
        for wrong in ["", "<html>", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!\n"] {
            assert!(dearmored(wrong.as_bytes()).is_err(), "{wrong}");
        }
        Ok(())
    }
}
