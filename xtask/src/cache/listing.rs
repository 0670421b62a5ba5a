//! The texts of `cargo xtask cache`: the list of a cache's contents, and what was removed.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::collect::Collected;
use super::inventory::{CacheItem, Inventory, ItemStatus};
use super::limit::{SizeLimit, entries};
use crate::ui::size;

/// Maximum number of lines of a group of results; a larger group is one line, unless all are
/// requested.
const MANY: usize = 10;

/// Version of the JSON document.
const SCHEMA: u32 = 1;

/// The document of `cache list --json`.
#[derive(Debug, Serialize)]
struct CacheDocument<'a> {
    /// Version of the document.
    schema: u32,
    /// The caches, in the order in which they are searched.
    caches: Vec<CacheEntryList<'a>>,
}

#[derive(Debug, Serialize)]
struct CacheEntryList<'a> {
    /// The cache folder.
    path: &'a Path,
    /// True if the cache is only read.
    read_only: bool,
    /// The limit of its size in bytes; null if it has none.
    limit_bytes: Option<u64>,
    /// Disk use of everything that kmodlab has made, in bytes.
    total_bytes: u64,
    entries: Vec<CacheItemEntry<'a>>,
}

#[derive(Debug, Serialize)]
struct CacheItemEntry<'a> {
    /// The path in the cache folder.
    name: &'a str,
    /// `entry`, `record` or `foreign`.
    status: ItemStatus,
    group: &'a str,
    what: &'a str,
    /// Disk use in bytes.
    bytes: u64,
    /// Time of the last use, in seconds from 1970.
    last_used_seconds: u64,
    in_use: bool,
}

/// Returns the list of a cache's contents for people. With `all`, each result has a line.
pub fn listing(inventory: &Inventory, limit: SizeLimit, all: bool, now: SystemTime) -> String {
    let mut text = format!(
        "{}: {}{}\n",
        inventory.root.display(),
        size(inventory.total()),
        match limit {
            SizeLimit::Bytes(limit) => format!(" of at most {}", size(limit)),
            SizeLimit::None => ", without a limit".to_owned(),
        }
    );
    for group in inventory.items.chunk_by(|a, b| a.group == b.group) {
        let (Some(first), bytes) = (group.first(), bytes(group)) else {
            continue;
        };
        let _ = write!(text, "\n{}, {}\n", first.group, size(bytes));
        if group.len() > MANY && first.status == ItemStatus::Entry && !all {
            text += &summary(group, now);
            continue;
        }
        for item in group {
            let when = match (item.in_use, item.status) {
                (true, _) => "in use".to_owned(),
                (false, ItemStatus::Entry) => age(item.used, now),
                (false, _) => String::new(),
            };
            text += &line(item.bytes, &when, &item.what, &item.name);
        }
    }
    text
}

/// Returns one line for a group of many.
fn summary(group: &[CacheItem], now: SystemTime) -> String {
    let in_use = group.iter().filter(|item| item.in_use).count();
    let last = group.iter().map(|item| item.used).max().unwrap_or(now);
    let mut what = entries(group.len());
    if in_use > 0 {
        let _ = write!(what, ", {in_use} in use");
    }
    line(bytes(group), &age(last, now), &what, "--all lists each")
}

fn line(bytes: u64, when: &str, what: &str, name: &str) -> String {
    format!("{:>11}  {when:<14}  {what:<40}  {name}\n", size(bytes))
}

/// Returns the list of the contents of caches as JSON; the second value of each is true if the
/// cache is only read.
///
/// # Errors
///
/// Fails if the list cannot be written as JSON.
pub fn listing_json(
    caches: &[(Inventory, bool)],
    limit: SizeLimit,
) -> Result<String, serde_json::Error> {
    let caches = caches.iter().map(|(inventory, read_only)| CacheEntryList {
        path: &inventory.root,
        read_only: *read_only,
        limit_bytes: match limit {
            SizeLimit::Bytes(limit) if !read_only => Some(limit),
            _ => None,
        },
        total_bytes: inventory.total(),
        entries: inventory.items.iter().map(entry).collect(),
    });
    serde_json::to_string_pretty(&CacheDocument {
        schema: SCHEMA,
        caches: caches.collect(),
    })
}

fn entry(item: &CacheItem) -> CacheItemEntry<'_> {
    CacheItemEntry {
        name: &item.name,
        status: item.status,
        group: item.group,
        what: &item.what,
        bytes: item.bytes,
        last_used_seconds: item.used_seconds(),
        in_use: item.in_use,
    }
}

/// Returns the report of a collection, with `verb` for what happened to the results: `removed`, or
/// `would remove`.
pub fn collected_text(collected: &Collected, verb: &str, now: SystemTime) -> String {
    let mut text = String::new();
    let Collected {
        removed,
        kept,
        in_use,
        errors: _,
    } = collected;
    for group in removed.chunk_by(|a, b| a.group == b.group) {
        match group {
            [item, rest @ ..] if rest.len() >= MANY => {
                let what = format!("{} ({})", item.group, entries(group.len()));
                text += &line(bytes(group), "", &what, "");
            }
            group => group.iter().for_each(|item| {
                text += &line(item.bytes, &age(item.used, now), &item.what, &item.name);
            }),
        }
    }
    let _ = writeln!(
        text,
        "{verb} {}, {}; kept {}, {}",
        entries(removed.len()),
        size(bytes(removed)),
        entries(kept.len() + in_use.len()),
        size(bytes(kept) + bytes(in_use))
    );
    if !in_use.is_empty() {
        let _ = writeln!(text, "in use by another xtask: {}", entries(in_use.len()));
    }
    // Columns leave spaces at the ends of lines.
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

fn bytes(items: &[CacheItem]) -> u64 {
    items.iter().map(|item| item.bytes).sum()
}

/// Returns the time since `then` in words.
fn age(then: SystemTime, now: SystemTime) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let since = now.duration_since(then).unwrap_or(Duration::ZERO).as_secs();
    let (count, unit) = match since {
        DAY.. => (since / DAY, "day"),
        HOUR..DAY => (since / HOUR, "hour"),
        MINUTE..HOUR => (since / MINUTE, "minute"),
        ..MINUTE => return "now".to_owned(),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}
