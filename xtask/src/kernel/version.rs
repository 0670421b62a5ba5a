//! Versions of kernels, and their series.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, Result, anyhow, bail};

/// A kernel series: 6.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// VERSION of the kernel's Makefile.
    pub version: u32,
    /// PATCHLEVEL of the kernel's Makefile.
    pub patchlevel: u32,
}

/// A kernel version: 6.7.9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// VERSION and PATCHLEVEL.
    pub series: Series,
    /// SUBLEVEL of the kernel's Makefile.
    pub sublevel: u32,
}

impl FromStr for Series {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |part: &str| part.parse::<u32>().ok();
        match text
            .split_once('.')
            .map(|(version, patchlevel)| (number(version), number(patchlevel)))
        {
            Some((Some(version), Some(patchlevel))) => Ok(Self {
                version,
                patchlevel,
            }),
            _ => bail!("{text} is not a kernel series such as 6.7"),
        }
    }
}

impl FromStr for Version {
    type Err = Error;

    /// Parses a version such as `6.7.9`; `6.7` is 6.7.0, as in the names of kernel.org's files.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || anyhow!("{text} is not a kernel version such as 6.7.9");
        let (series, sublevel) = match text.match_indices('.').nth(1) {
            Some((dot, _)) => (&text[..dot], &text[dot + 1..]),
            None => (text, "0"),
        };
        Ok(Self {
            series: series.parse().map_err(|_| wrong())?,
            sublevel: sublevel.parse().map_err(|_| wrong())?,
        })
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.version, self.patchlevel)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.series, self.sublevel)
    }
}
