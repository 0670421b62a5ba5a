//! The options that a kernel lacks for the functions that a module calls.
//!
//! modpost only lists undefined symbols. The kernel's tree has the rest of the answer: the file that
//! exports a symbol (`EXPORT_SYMBOL(name)`), and the Makefile that compiles the file
//! (`obj-$(CONFIG_X) += file.o`).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::config::Config;
use super::kconfig::KconfigOptions;

/// Folders of a kernel's tree without code that a module on x86 could call.
const OTHER: [&str; 6] = [
    "Documentation",
    "LICENSES",
    "samples",
    "scripts",
    "tools",
    "usr",
];

/// A symbol that a module needs and a kernel does not export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingSymbol {
    /// Its name.
    pub name: String,
    /// The file that exports it, from the top of the tree.
    pub file: PathBuf,
    /// The options, without `CONFIG_`, that the file needs and the kernel has off.
    pub options: Vec<String>,
    /// The way in which a user turns them on.
    remedy: String,
}

impl fmt::Display for MissingSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is in {}", self.name, self.file.display())?;
        match &self.options[..] {
            [] => Ok(()),
            options => write!(
                f,
                ", which needs CONFIG_{}; this kernel has that off; {}",
                options.join(" and CONFIG_"),
                self.remedy
            ),
        }
    }
}

/// The option of PCI, which the default machine lacks.
pub const PCI: &str = "PCI";

/// Returns the way in which a user turns on these options, which are given without `CONFIG_`.
pub fn remedy(options: &[impl AsRef<str>]) -> String {
    let options = options.iter().map(AsRef::as_ref);
    let (pci, others): (Vec<&str>, Vec<&str>) = options.partition(|option| *option == PCI);
    let mut remedies = Vec::new();
    remedies.extend(option_words(&others));
    if !pci.is_empty() {
        let machine =
            "`--machine q35`, or `machine = \"q35\"` in kmodlab.toml, gives the guest PCI";
        remedies.push(machine.to_owned());
    }
    remedies.join("; ")
}

/// Number of the options that are named for one that a user cannot set.
const SELECTORS: usize = 3;

/// Returns the same where some of the options have no prompt, so that only others turn them on.
fn remedy_in(kconfig: &KconfigOptions, options: &[String]) -> String {
    let (settable, hidden): (Vec<&String>, Vec<&String>) = options.iter().partition(|option| {
        *option == PCI || !kconfig.has(option) || kconfig.settable(option, 1) == [option.as_str()]
    });
    let mut remedies = Vec::new();
    if !settable.is_empty() {
        remedies.push(remedy(&settable));
    }
    for option in hidden {
        let words = kconfig.settable(option, SELECTORS).into_iter();
        let words: Vec<String> = words.map(|name| format!("`--option {name}`")).collect();
        remedies.push(match &words[..] {
            [] => format!("no option that can be set turns CONFIG_{option} on"),
            words => format!(
                "CONFIG_{option} is turned on by others, such as {}",
                words.join(" or ")
            ),
        });
    }
    remedies.join("; ")
}

/// Returns the words that turn on options which can be set, if there are any.
fn option_words(options: &[&str]) -> Option<String> {
    let words = options.iter().map(|option| format!("--option {option}"));
    let words: Vec<String> = words.collect();
    let turns = match options.len() {
        0 => return None,
        1 => "turns it on",
        _ => "turns them on",
    };
    Some(format!("`{}` {turns}", words.join(" ")))
}

/// Finds these symbols in the kernel's tree, and the options that the kernel built in `objects`
/// lacks for them. Symbols that nothing exports are left out.
///
/// # Errors
///
/// Fails if the tree or the kernel's configuration cannot be read.
pub fn missing_symbols(
    tree: &Path,
    objects: &Path,
    names: &[String],
) -> Result<Vec<MissingSymbol>> {
    let config = Config::load(&objects.join(".config"))?;
    let kconfig = KconfigOptions::read(tree);
    let mut files = BTreeMap::new();
    for entry in
        std::fs::read_dir(tree).with_context(|| format!("cannot list {}", tree.display()))?
    {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !OTHER.contains(&&*name) {
            search(tree, &path, names, &mut files)?;
        }
    }
    let found = names.iter().filter_map(|name| {
        let file = files.get(name)?;
        let options = options_of(tree, file).into_iter();
        let options: Vec<String> = options.filter(|option| !config.has(option)).collect();
        Some(MissingSymbol {
            name: name.clone(),
            remedy: remedy_in(&kconfig, &options),
            options,
            file: file.clone(),
        })
    });
    Ok(found.collect())
}

/// Adds the files below `folder` that export one of the symbols.
fn search(
    tree: &Path,
    folder: &Path,
    names: &[String],
    files: &mut BTreeMap<String, PathBuf>,
) -> Result<()> {
    let list = || format!("cannot list {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(list)? {
        let entry = entry.with_context(list)?;
        let path = entry.path();
        let kind = entry.file_type().with_context(list)?;
        let other_arch = folder == tree.join("arch") && !path.ends_with("x86");
        if kind.is_dir() && !other_arch {
            search(tree, &path, names, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|own| own == "c") {
            let text =
                std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let file = path.strip_prefix(tree)?;
            for name in exported(&String::from_utf8_lossy(&text)) {
                if names.iter().any(|wanted| wanted == name) {
                    files.insert(name.to_owned(), file.to_owned());
                }
            }
        }
    }
    Ok(())
}

/// Returns the symbols that a source exports.
pub fn exported(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (_, rest) = line.strip_prefix("EXPORT_SYMBOL")?.split_once('(')?;
        rest.split([',', ')']).next().map(str::trim)
    })
}

/// Returns the options by which a file is compiled, from that of the file to those of the folders
/// around it.
fn options_of(tree: &Path, file: &Path) -> Vec<String> {
    let mut options = Vec::new();
    let mut word = file.with_extension("o");
    let mut folder = file.parent();
    while let Some(of) = folder {
        // The top folder's lines are in the file Kbuild.
        let files = ["Makefile", "Kbuild"].map(|name| tree.join(of).join(name));
        let texts = files.map(|file| std::fs::read_to_string(file).unwrap_or_default());
        let text = texts.join("\n");
        let name = word.file_name().unwrap_or_default().to_string_lossy();
        // A folder is named with a slash.
        let name = match word.extension() {
            Some(_) => name.into_owned(),
            None => format!("{name}/"),
        };
        for option in options_in(&text, &name) {
            if !options.contains(&option) {
                options.push(option);
            }
        }
        word = of.to_owned();
        folder = of.parent();
    }
    options
}

/// Returns the options by which a Makefile compiles an object or enters a folder.
fn options_in(makefile: &str, name: &str) -> Vec<String> {
    let joined = makefile.replace("\\\n", " ");
    let mut wanted = vec![name.to_owned()];
    let mut options: Vec<String> = Vec::new();
    // A part of a module leads to the module.
    while let Some(name) = wanted.pop() {
        for line in joined.lines() {
            let Some((left, right)) = line.split_once('=') else {
                continue;
            };
            if !right.split_whitespace().any(|word| word == name) {
                continue;
            }
            let left = left.trim_end_matches(['+', ':', ' ', '\t']).trim();
            let option = left
                .split_once("$(CONFIG_")
                .and_then(|(_, rest)| rest.split(')').next());
            if let Some(option) = option
                && !options.iter().any(|known| known == option)
            {
                options.push(option.to_owned());
            }
            let module = ["-y", "-objs", "-$("].iter().find_map(|end| {
                let (module, _) = left.split_once(end)?;
                (!["obj", "lib"].contains(&module)).then(|| format!("{module}.o"))
            });
            wanted.extend(module.filter(|module| *module != name));
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Result<tempfile::TempDir> {
        let folder = tempfile::tempdir()?;
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().context("a folder")?)?;
            std::fs::write(path, text)?;
        }
        Ok(folder)
    }

    #[test]
    fn the_options_of_a_symbol_are_found() -> Result<()> {
        let tree = tree(&[
            (".config", "CONFIG_NET=y\n# CONFIG_BUS is not set\n"),
            (
                "Kbuild",
                "obj-$(CONFIG_BLOCK) += block/\nobj-y += drivers/\n",
            ),
            ("block/Makefile", "obj-y += disk.o\n"),
            ("block/disk.c", "EXPORT_SYMBOL(add_disk);\n"),
            (
                "drivers/Makefile",
                "obj-$(CONFIG_BUS) += bus/\nobj-y += plain/\n",
            ),
            (
                "drivers/bus/Makefile",
                "obj-$(CONFIG_BUS)\t+= bus-core.o\nbus-core-y := base.o \\\n\tslave.o\n\
                 bus-core-$(CONFIG_BUS_ACPI) += acpi.o\n",
            ),
            (
                "drivers/bus/base.c",
                "int f;\nEXPORT_SYMBOL_GPL(bus_add);\n",
            ),
            (
                "drivers/bus/acpi.c",
                "EXPORT_SYMBOL_NS_GPL(bus_acpi, BUS);\n",
            ),
            ("drivers/plain/Makefile", "obj-y += x.o\n"),
            ("drivers/plain/x.c", "EXPORT_SYMBOL(plain);\n"),
            ("arch/arm/x.c", "EXPORT_SYMBOL(only_arm);\n"),
        ])?;
        let names = [
            "bus_add", "bus_acpi", "plain", "add_disk", "only_arm", "nowhere",
        ];
        let names = names.map(str::to_owned);
        let found = missing_symbols(tree.path(), tree.path(), &names)?;
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        let expected = [
            "bus_add is in drivers/bus/base.c, which needs CONFIG_BUS; this kernel has that off; \
             `--option BUS` turns it on",
            "bus_acpi is in drivers/bus/acpi.c, which needs CONFIG_BUS_ACPI and CONFIG_BUS; this \
             kernel has that off; `--option BUS_ACPI --option BUS` turns them on",
            "plain is in drivers/plain/x.c",
            "add_disk is in block/disk.c, which needs CONFIG_BLOCK; this kernel has that off; \
             `--option BLOCK` turns it on",
        ];
        assert_eq!(found, expected);
        Ok(())
    }

    #[test]
    fn the_machine_q35_brings_pci() {
        assert_eq!(
            remedy(&["E1000", PCI]),
            "`--option E1000` turns it on; `--machine q35`, or `machine = \"q35\"` in \
             kmodlab.toml, gives the guest PCI"
        );
    }
}
