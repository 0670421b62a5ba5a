//! The kernel's configuration: tinyconfig, the fragments on top of it, and the
//! proof that every option of the fragments is in what came out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::kconfig;
use crate::failure::Failure;

/// A set of `CONFIG_…` options with their values; `None` is "not set".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config(BTreeMap<String, Option<String>>);

impl Config {
    /// Reads a `.config` or a fragment: `CONFIG_X=value`, `# CONFIG_X is not
    /// set` and comments. `CONFIG_X=n` is the same as not set.
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

    /// Reads a file of options.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// A `.config` of these options with those of `over` in place of their own
    /// and behind them: of a choice, kconfig takes what it reads last.
    pub fn with(&self, over: &Self) -> String {
        let mut rest = self.clone();
        rest.0.retain(|name, _| !over.0.contains_key(name));
        rest.render() + &over.render()
    }

    /// Takes in the options of `over`, in place of their own.
    fn take(&mut self, over: Self) {
        self.0.extend(over.0);
    }

    /// As a `.config`, in the order of names.
    pub fn render(&self) -> String {
        self.0
            .iter()
            .map(|(name, value)| match value {
                Some(value) => format!("CONFIG_{name}={value}\n"),
                None => format!("# CONFIG_{name} is not set\n"),
            })
            .collect()
    }

    /// The options of `self` that `of` does not have with the same value, and
    /// what `of` has instead. An option that `of` does not know is not set.
    pub fn missing(&self, of: &Self) -> Vec<DroppedOption> {
        self.0
            .iter()
            .filter_map(|(name, wanted)| {
                let found = of.0.get(name).cloned().flatten();
                (found != *wanted).then(|| DroppedOption {
                    name: name.clone(),
                    wanted: wanted.clone(),
                    found,
                })
            })
            .collect()
    }
}

/// An option that is not as the fragment asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedOption {
    /// Without `CONFIG_`.
    pub name: String,
    wanted: Option<String>,
    found: Option<String>,
}

/// What a kernel's configuration must hold: fragments, each on top of those
/// before it.
#[derive(Debug, Clone)]
pub struct Fragments {
    /// All their options.
    pub options: Config,
    /// Each fragment's file and its own options.
    files: Vec<(PathBuf, Config)>,
}

impl Fragments {
    /// Reads the files with these `names` in `folder`.
    pub fn load(folder: &Path, names: &[&str]) -> Result<Self> {
        let mut options = Config::default();
        let mut files = Vec::new();
        for name in names {
            let path = folder.join(name);
            let fragment = Config::load(&path)?;
            options.take(fragment.clone());
            files.push((path, fragment));
        }
        Ok(Self { options, files })
    }

    /// The file that asks for the option: the last that names it.
    fn file_of(&self, name: &str) -> &Path {
        self.files
            .iter()
            .rev()
            .find(|(_, fragment)| fragment.0.contains_key(name))
            .map_or(Path::new(""), |(path, _)| path)
    }
}

/// Fails if an option of `fragments` is not in `full`, and names each with the
/// file that asks for it, and what the Kconfig files of `tree` make it depend
/// on.
pub fn check(fragments: &Fragments, full: &Config, tree: &Path) -> Result<()> {
    let missing = fragments.options.missing(full);
    if missing.is_empty() {
        return Ok(());
    }
    let symbols = kconfig::KconfigOptions::read(tree);
    let lines = missing.iter().map(
        |DroppedOption {
             name,
             wanted,
             found,
         }| {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "n".to_owned());
            let why = match symbols.dependencies(name) {
                None => "this kernel has no such option".to_owned(),
                Some([]) => "it depends on nothing: another option selects it".to_owned(),
                Some(dependencies) => format!("it depends on {}", dependencies.join(" && ")),
            };
            format!(
                "  CONFIG_{name}: {} asked by {}, {} got; {why}",
                value(wanted),
                fragments.file_of(name).display(),
                value(found)
            )
        },
    );
    Err(Failure::host(format!(
        "the kernel's configuration drops what is asked for:\n{}\nadd what they depend on to the \
         fragment, or take them out",
        lines.collect::<Vec<_>>().join("\n")
    ))
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_drops_out_is_named() -> Result<()> {
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
    fn a_fragment_goes_over_and_behind_what_is_there() -> Result<()> {
        let tiny = Config::parse("CONFIG_A=y\nCONFIG_B=y\nCONFIG_Z=y\n")?;
        let fragment = Config::parse("# a comment\n\nCONFIG_A=n\nCONFIG_C=\"x\"\n")?;
        assert_eq!(
            tiny.with(&fragment),
            "CONFIG_B=y\nCONFIG_Z=y\n# CONFIG_A is not set\nCONFIG_C=\"x\"\n"
        );
        Ok(())
    }

    #[test]
    fn a_line_that_is_no_option_is_refused() {
        assert!(Config::parse("CONFIG_A\n").is_err());
    }

    #[test]
    fn the_message_says_who_asked_and_what_a_dropped_option_depends_on() -> Result<()> {
        let tree = tempfile::tempdir()?;
        let write = |name: &str, text: &str| std::fs::write(tree.path().join(name), text);
        write(
            "Kconfig",
            "config KASAN\n\tbool \"x\"\n\tdepends on !SLUB_TINY\n",
        )?;
        write("a.config", "CONFIG_A=y\nCONFIG_KASAN=n\nCONFIG_SLUB=y\n")?;
        write("b.config", "CONFIG_KASAN=y\n# CONFIG_SLUB is not set\n")?;
        let fragments = Fragments::load(tree.path(), &["a.config", "b.config"])?;
        let full = Config::parse("CONFIG_A=y\n")?;
        let error = check(&fragments, &full, tree.path()).expect_err("KASAN is missing");
        let message = error.to_string();
        let asked = format!(
            "  CONFIG_KASAN: y asked by {}, n got; it depends on !SLUB_TINY\n",
            tree.path().join("b.config").display()
        );
        assert!(message.contains(&asked), "{message}");
        assert_eq!(message.matches("CONFIG_").count(), 1, "{message}");
        let full = Config::parse("CONFIG_A=y\nCONFIG_KASAN=y\n")?;
        check(&fragments, &full, tree.path())
    }
}
