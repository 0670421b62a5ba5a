//! The kernel's configuration: tinyconfig, fragments that override it, and the check that
//! kconfig has kept every option of the fragments.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::kconfig;
use crate::failure::{Failure, Fault};

/// A set of `CONFIG_…` options with their values; `None` means "not set".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config(BTreeMap<String, Option<String>>);

impl Config {
    /// Parses a `.config` or a fragment: lines `CONFIG_X=value` and `# CONFIG_X is not set`, and
    /// comments. `CONFIG_X=n` is the same as not set.
    ///
    /// # Errors
    ///
    /// Fails on any other line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut options = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let off = line
                .strip_prefix("# CONFIG_")
                .and_then(|rest| rest.strip_suffix(" is not set"));
            if let Some(name) = off {
                options.insert(name.to_owned(), None);
            } else if let Some((name, value)) = line
                .strip_prefix("CONFIG_")
                .and_then(|rest| rest.split_once('='))
            {
                let value = (value != "n").then(|| value.to_owned());
                options.insert(name.to_owned(), value);
            } else if !line.is_empty() && !line.starts_with('#') {
                bail!(
                    "line {}: {line:?} is neither CONFIG_X=value nor \"# CONFIG_X is not set\"",
                    number + 1
                );
            }
        }
        Ok(Self(options))
    }

    /// Returns one option, unless its name or value cannot be one. A text without quotes becomes
    /// a string.
    pub fn of_option(name: &str, value: &str) -> Option<Self> {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let plain = |text: &str| !text.is_empty() && text.bytes().all(letter);
        let number = value.strip_prefix('-').unwrap_or(value);
        let is_number = number.starts_with(|digit: char| digit.is_ascii_digit()) && plain(number);
        let inner = value
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let text = inner.unwrap_or(value);
        if !plain(name) || text.contains(['"', '\n', '\\']) {
            return None;
        }
        let value = match value {
            "n" => None,
            "y" | "m" => Some(value.to_owned()),
            _ if is_number => Some(value.to_owned()),
            _ => Some(format!("\"{text}\"")),
        };
        Some(Self(BTreeMap::from([(name.to_owned(), value)])))
    }

    /// Returns the names of all options.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the names of the options that are modules.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        let is_module = |value: &Option<String>| value.as_deref() == Some("m");
        let modules = self.0.iter().filter(move |(_, value)| is_module(value));
        modules.map(|(name, _)| name.as_str())
    }

    /// Reads a file of options.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or parsed.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// Returns a `.config` of these options, overridden by the options of `over`. The options of
    /// `over` come last, because kconfig takes the last option of a choice.
    pub fn with(&self, over: &Self) -> String {
        let mut rest = self.clone();
        rest.0.retain(|name, _| !over.0.contains_key(name));
        rest.render() + &over.render()
    }

    /// Returns true if the option with this name, without `CONFIG_`, is set.
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Option::is_some)
    }

    /// Adds the options of `over`, which override the present ones.
    fn override_with(&mut self, over: Self) {
        self.0.extend(over.0);
    }

    /// Returns the options as a `.config`, in the order of their names.
    pub fn render(&self) -> String {
        self.0
            .iter()
            .map(|(name, value)| match value {
                Some(value) => format!("CONFIG_{name}={value}\n"),
                None => format!("# CONFIG_{name} is not set\n"),
            })
            .collect()
    }

    /// Returns the options that `full` does not have with the same value. An option that `full`
    /// does not contain is not set.
    pub fn missing(&self, full: &Self) -> Vec<DroppedOption> {
        self.0
            .iter()
            .filter_map(|(name, requested)| {
                let found = full.0.get(name).cloned().flatten();
                (found != *requested).then(|| DroppedOption {
                    name: name.clone(),
                    requested: requested.clone(),
                    found,
                })
            })
            .collect()
    }
}

/// An option that does not have the value that a fragment requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedOption {
    /// Name without `CONFIG_`.
    pub name: String,
    requested: Option<String>,
    found: Option<String>,
}

/// The fragments of a kernel's configuration, of which each overrides the earlier ones.
#[derive(Debug, Clone)]
pub struct Fragments {
    /// Options of all fragments.
    pub options: Config,
    /// Each fragment's file, or argument of the command line, and options.
    origins: Vec<(String, Config)>,
}

impl Fragments {
    /// Reads the files with these `names` in `folder`.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read or parsed.
    pub fn load(folder: &Path, names: &[impl AsRef<Path>]) -> Result<Self> {
        let mut fragments = Self {
            options: Config::default(),
            origins: Vec::new(),
        };
        for name in names {
            let path = folder.join(name);
            let fragment = Config::load(&path)?;
            fragments.add(path.display().to_string(), fragment);
        }
        Ok(fragments)
    }

    /// Adds options, which override the present ones. Messages name their origin.
    pub fn add(&mut self, origin: String, options: Config) {
        self.options.override_with(options.clone());
        self.origins.push((origin, options));
    }

    /// Returns the origin that decides the option: the last one that names it.
    fn origin_of(&self, name: &str) -> &str {
        self.origins
            .iter()
            .rev()
            .find(|(_, fragment)| fragment.0.contains_key(name))
            .map_or("", |(origin, _)| origin)
    }
}

/// Checks that every option of `fragments` is in `full`.
///
/// # Errors
///
/// Fails with this fault if options are missing, and names each with the fragment that requests it
/// and, by the Kconfig files of `tree`, the dependencies that do not hold.
pub fn check(fragments: &Fragments, full: &Config, tree: &Path, fault: Fault) -> Result<()> {
    let missing = fragments.options.missing(full);
    if missing.is_empty() {
        return Ok(());
    }
    let symbols = kconfig::KconfigOptions::read(tree);
    let lines = missing.iter().map(
        |DroppedOption {
             name,
             requested,
             found,
         }| {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "n".to_owned());
            let why = symbols.why_dropped(name, full);
            format!(
                "  CONFIG_{name}: {} requested by {}, but it is {}; {why}",
                value(requested),
                fragments.origin_of(name),
                value(found)
            )
        },
    );
    let what = format!(
        "kconfig has dropped or changed options of the configuration:\n{}\nrequest their \
         dependencies too, or leave them out",
        lines.collect::<Vec<_>>().join("\n")
    );
    Err(Failure::of(fault, what).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_option_is_named() -> Result<()> {
        let fragment =
            Config::parse("CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\nCONFIG_D=8\n")?;
        let full = Config::parse("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_D=64\n")?;
        let names = fragment
            .missing(&full)
            .into_iter()
            .map(|missing| missing.name);
        assert_eq!(names.collect::<Vec<_>>(), ["B", "D"]);
        Ok(())
    }

    #[test]
    fn a_fragment_overrides_and_comes_last() -> Result<()> {
        let tiny = Config::parse("CONFIG_A=y\nCONFIG_B=y\nCONFIG_Z=y\n")?;
        let fragment = Config::parse("# a comment\n\nCONFIG_A=n\nCONFIG_C=\"x\"\n")?;
        assert_eq!(
            tiny.with(&fragment),
            "CONFIG_B=y\nCONFIG_Z=y\n# CONFIG_A is not set\nCONFIG_C=\"x\"\n"
        );
        Ok(())
    }

    #[test]
    fn a_line_that_is_not_an_option_is_refused() {
        assert!(Config::parse("CONFIG_A\n").is_err());
    }

    #[test]
    fn the_message_names_the_fragment_and_the_dependencies() -> Result<()> {
        let tree = tempfile::tempdir()?;
        let write = |name: &str, text: &str| std::fs::write(tree.path().join(name), text);
        write(
            "Kconfig",
            "config KASAN\n\tbool \"x\"\n\tdepends on !A && SLUB\n",
        )?;
        write("a.config", "CONFIG_A=y\nCONFIG_KASAN=n\nCONFIG_SLUB=y\n")?;
        write("b.config", "CONFIG_KASAN=y\n# CONFIG_SLUB is not set\n")?;
        let fragments = Fragments::load(tree.path(), &["a.config", "b.config"])?;
        let full = Config::parse("CONFIG_A=y\n")?;
        let error =
            check(&fragments, &full, tree.path(), Fault::Host).expect_err("KASAN is missing");
        let message = error.to_string();
        let asked = format!(
            "  CONFIG_KASAN: y requested by {}, but it is n; it depends on !A && SLUB: A is on, SLUB is off\n",
            tree.path().join("b.config").display()
        );
        assert!(message.contains(&asked), "{message}");
        assert_eq!(message.matches("CONFIG_").count(), 1, "{message}");
        let full = Config::parse("CONFIG_A=y\nCONFIG_KASAN=y\n")?;
        check(&fragments, &full, tree.path(), Fault::Host)
    }
}
