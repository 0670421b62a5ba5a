//! The kernel that is built if the source of the default one cannot be reached.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::patches::Patches;
use super::unavailable::{UnavailableSource, advice};
use super::{FetchSettings, KernelSource, cached, from_origins};
use crate::cache::Cache;
use crate::failure::Failure;
use crate::kernel::spec::KernelSpec;
use crate::memo;
use crate::session::Session;

/// Time for which unreachable mirrors are remembered, in seconds.
const UNREACHABLE_FOR: u64 = 3600;

/// The remembered answer that no mirror can be reached.
#[derive(Serialize, Deserialize)]
struct UnreachableMemo {
    /// Time of the attempt, in seconds since 1970.
    at: u64,
    /// Value of KMODLAB_MIRROR during the attempt.
    mirror: Option<String>,
}

/// Returns the name of the answer that a pack has the kernel with that name instead of the kernel
/// `name`.
fn instead_of(name: &str) -> String {
    format!("instead-of-{name}")
}

/// Remembers that a pack has the kernel `other` instead of the default kernel `name`.
///
/// # Errors
///
/// Fails if the cache cannot be written.
pub fn remember_instead(cache: &Cache, name: &str, other: &str) -> Result<()> {
    memo::remember(cache, &instead_of(name), &other)
}

/// Returns the source of `spec`; if that is not available, prints a note and returns the source
/// of `fallback`.
///
/// # Errors
///
/// Fails if neither is available, or an available source is damaged.
pub fn or_fallback(
    session: &Session,
    settings: &FetchSettings,
    spec: &KernelSpec,
    fallback: &KernelSpec,
) -> Result<KernelSource> {
    let patches = Patches::of(&spec.patches)?;
    if let Some(source) = cached(session, spec, &patches, settings.whole)? {
        return Ok(source);
    }
    if memo::recall::<String>(&session.cache, &instead_of(&spec.name)).as_ref()
        == Some(&fallback.name)
    {
        let patches = Patches::of(&fallback.patches)?;
        if let Some(source) = cached(session, fallback, &patches, settings.whole)? {
            session.ui.note(format!(
                "kernel {} is used, which the pack has instead of {}; to insist: `--kernel {1}`",
                fallback.name, spec.name
            ));
            return Ok(source);
        }
    }
    let name = format!("unreachable-{}", spec.name);
    let remembered = memo::recall::<UnreachableMemo>(&session.cache, &name).filter(|known| {
        let age = memo::now().checked_sub(known.at);
        known.mirror == settings.mirror && age.is_some_and(|age| age < UNREACHABLE_FOR)
    });
    match remembered {
        Some(known) => {
            let minutes = memo::now().saturating_sub(known.at) / 60;
            session.ui.note(format!(
                "kernel {} is used instead of {}, which could not be reached {minutes} min ago; \
                 `--kernel {1}` tries again",
                fallback.name, spec.name
            ));
        }
        None => match from_origins(session, settings, spec)? {
            Ok(source) => return Ok(source),
            Err(missing) => {
                session.ui.note(format!(
                    "kernel {}: could not reach {}",
                    spec.name,
                    UnavailableSource::line(&missing)
                ));
                session.ui.note(format!(
                    "kernel {} is used instead; to insist: `--kernel {}`, with a mirror in \
                     KMODLAB_MIRROR or with `--kernel-source PATH`",
                    fallback.name, spec.name
                ));
                let unreachable = UnreachableMemo {
                    at: memo::now(),
                    mirror: settings.mirror.clone(),
                };
                memo::remember(&session.cache, &name, &unreachable)?;
            }
        },
    }
    match from_origins(session, settings, fallback)? {
        Ok(source) => Ok(source),
        Err(missing) => Err(Failure::host(format!(
            "the source of kernel {} is not available either:\n{}\n{}.",
            fallback.name,
            UnavailableSource::lines(&missing),
            advice(fallback)
        ))
        .into()),
    }
}
