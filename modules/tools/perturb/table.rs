// SPDX-License-Identifier: GPL-2.0

//! Numbers by the place, the name of a task and the number of its arrival there.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kernel::prelude::*;

/// A task's name.
pub(crate) struct Name {
    bytes: [u8; 16],
    length: usize,
}

impl Name {
    /// Parses a name in which `%` and two hexadecimal digits stand for a byte.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut name = Self {
            bytes: [0; 16],
            length: 0,
        };
        let mut rest = text;
        while let Some(&first) = rest.as_bytes().first() {
            let (byte, length) = match first {
                b'%' => {
                    let digits = rest.get(1..3).ok_or(EINVAL)?;
                    (u8::from_str_radix(digits, 16).map_err(|_| EINVAL)?, 3)
                }
                byte => (byte, 1),
            };
            *name.bytes.get_mut(name.length).ok_or(EINVAL)? = byte;
            name.length += 1;
            rest = rest.get(length..).ok_or(EINVAL)?;
        }
        Ok(name)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Number of entries of a table; more than an order of one page has delays.
const ENTRIES: usize = 512;

/// A table of numbers by key, which several tasks may use at the same time. Entries are never removed.
pub(crate) struct Table {
    /// 0 is free.
    keys: [AtomicU64; ENTRIES],
    values: [AtomicU64; ENTRIES],
}

impl Table {
    pub(crate) const fn new() -> Self {
        Self {
            keys: [const { AtomicU64::new(0) }; ENTRIES],
            values: [const { AtomicU64::new(0) }; ENTRIES],
        }
    }

    /// Returns the indices of a key's entry and of those that follow.
    fn indices(key: u64) -> impl Iterator<Item = usize> {
        (0..ENTRIES).map(move |step| (key as usize).wrapping_add(step) % ENTRIES)
    }

    /// Returns the number of a key, which is 0 if the key is new; `None` if the table is full.
    pub(crate) fn entry(&self, key: u64) -> Option<&AtomicU64> {
        let is_own = |index: &usize| {
            let found = self.keys[*index].compare_exchange(0, key, Relaxed, Relaxed);
            found.map_or_else(|other| other == key, |_free| true)
        };
        Self::indices(key).find(is_own).map(|index| &self.values[index])
    }

    /// Returns the number of a key, if it has one.
    pub(crate) fn get(&self, key: u64) -> Option<u64> {
        let ends = |index: &usize| [0, key].contains(&self.keys[*index].load(Relaxed));
        let index = Self::indices(key).find(ends)?;
        (self.keys[index].load(Relaxed) == key).then(|| self.values[index].load(Relaxed))
    }
}

/// Returns the key of a probe point, a task's name and an arrival: FNV-1a of their bytes, mixed.
pub(crate) fn key(place: usize, name: &[u8], arrival: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ place as u64 ^ arrival << 16;
    let hash = name.iter().fold(start, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash ^ hash >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93) | 1
}
