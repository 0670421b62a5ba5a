//! Detached OpenPGP signatures by a key whose fingerprint is pinned.
//!
//! The fingerprint is a hash of the primary key itself, so a key that has it
//! is the right one wherever it came from. A subkey counts only if the primary
//! key binds it for signing and it signs back. That a key has expired since
//! says nothing about what it signed before, so expiry is not looked at; a
//! revocation other than "superseded" or "retired" is.

use std::io::Read;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use pgp::composed::{Deserializable as _, DetachedSignature, SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{RevocationCode, Signature, SignatureType};
use pgp::types::KeyDetails;

use crate::failure::Failure;

/// A public key that has the pinned fingerprint.
#[derive(Debug)]
pub struct Certificate(SignedPublicKey);

impl Certificate {
    /// Reads a key, armored or not, and takes it only if its primary key has
    /// `fingerprint`, 40 upper-case hexadecimal digits.
    pub fn pinned(bytes: &[u8], fingerprint: &str) -> Result<Self> {
        let (keys, _) =
            SignedPublicKey::from_reader_many_buf(bytes).context("it is no OpenPGP key")?;
        let mut others = Vec::new();
        for key in keys {
            let key = key.context("it is no OpenPGP key")?;
            let found = format!("{:X}", key.fingerprint());
            if found != fingerprint {
                others.push(found);
                continue;
            }
            let revoked = key.details.revocation_signatures.iter().any(|signature| {
                is_hard(signature) && signature.verify_key(&key.primary_key).is_ok()
            });
            ensure!(!revoked, "key {fingerprint} has been revoked by its owner");
            return Ok(Self(key));
        }
        bail!(
            "it has the fingerprint {}, the pinned one is {fingerprint}",
            others.join(", ")
        )
    }

    /// The subkeys that may sign.
    fn signing_subkeys(&self) -> impl Iterator<Item = &SignedPublicSubKey> {
        let primary = &self.0.primary_key;
        self.0.public_subkeys.iter().filter(move |subkey| {
            let valid = |signature: &&Signature| {
                signature
                    .verify_subkey_binding(primary, &subkey.key)
                    .is_ok()
            };
            let (revocations, bindings): (Vec<_>, Vec<_>) = subkey
                .signatures
                .iter()
                .filter(valid)
                .partition(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation));
            let signs_back = |binding: &Signature| {
                binding.embedded_signature().is_some_and(|back| {
                    back.verify_primary_key_binding(&subkey.key, primary)
                        .is_ok()
                })
            };
            !revocations.into_iter().any(is_hard)
                && bindings
                    .into_iter()
                    .any(|binding| binding.key_flags().sign() && signs_back(binding))
        })
    }
}

/// Does this revocation take back what was signed before it, too?
fn is_hard(revocation: &Signature) -> bool {
    !matches!(
        revocation.revocation_reason_code(),
        Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired)
    )
}

/// Checks that one of the detached signatures in `signature`, armored or not,
/// is by `certificate` and over all of `data`, which is read once.
pub fn verify(signature: &[u8], certificate: &Certificate, data: impl Read) -> Result<()> {
    let signatures = DetachedSignature::from_reader_many_buf(signature)
        .context("the signature is no OpenPGP signature")?
        .0
        .collect::<pgp::errors::Result<Vec<_>>>()
        .context("the signature is no OpenPGP signature")?;
    let mut data = FailureKeeper { data, failed: None };
    for DetachedSignature { signature } in &signatures {
        if signature.typ() != Some(SignatureType::Binary) {
            continue;
        }
        let primary = &certificate.0.primary_key;
        let result = if is_by(signature, primary) {
            signature.verify(primary, &mut data)
        } else if let Some(subkey) = certificate
            .signing_subkeys()
            .find(|subkey| is_by(signature, &subkey.key))
        {
            signature.verify(&subkey.key, &mut data)
        } else {
            continue;
        };
        if let Some(error) = data.failed {
            return Err(error).context("the tarball is damaged or truncated");
        }
        return result
            .map_err(|error| anyhow!(error))
            .context(Failure::host("the signature is bad"));
    }
    let signers = signatures
        .iter()
        .flat_map(|DetachedSignature { signature }| signature.issuer_key_id())
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    Err(Failure::host(format!(
        "the signature is not by {:X} but by {}",
        certificate.0.fingerprint(),
        if signers.is_empty() {
            "nobody".to_owned()
        } else {
            signers.join(", ")
        }
    ))
    .into())
}

/// Does the signature name `key` as its issuer?
fn is_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    let (id, fingerprint) = (key.legacy_key_id(), key.fingerprint());
    signature.issuer_key_id().contains(&&id)
        || signature.issuer_fingerprint().contains(&&fingerprint)
}

/// A reader whose first failure is kept, so that a damaged tarball is told
/// from a bad signature.
struct FailureKeeper<R> {
    data: R,
    failed: Option<std::io::Error>,
}

impl<R: Read> Read for FailureKeeper<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.data.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != std::io::ErrorKind::Interrupted {
                self.failed.get_or_insert(error);
            }
            kind.into()
        })
    }
}
