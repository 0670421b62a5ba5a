//! The kernel that a project asks for.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use serde::Deserialize;

use super::guest::GuestChoice;
use super::manifest::shown_manifest;
use super::shown_path;
use crate::failure::{Failure, Fault};
use crate::kernel::{AddedOptions, OptionSet};

/// The table `[kernel]` of a manifest.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct KernelTable {
    r#use: Option<String>,
    path: Option<PathBuf>,
    sets: Vec<String>,
    config: Vec<PathBuf>,
    options: Vec<String>,
}

/// The kernel that a project asks for; none if its modules are for any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelChoice {
    /// A name of `kernels.toml`.
    pub name: Option<String>,
    /// A kernel's tree or tarball.
    pub source: Option<PathBuf>,
    /// Sets of options.
    pub sets: Vec<OptionSet>,
    /// Options on top of those.
    pub added: Vec<AddedOptions>,
}

impl KernelChoice {
    /// Returns this choice with the sets of options that the guest's machine needs.
    pub fn for_guest(mut self, guest: &GuestChoice) -> Self {
        if guest.has_pci() && !self.sets.contains(&OptionSet::Pci) {
            self.sets.push(OptionSet::Pci);
        }
        self
    }
}

impl KernelTable {
    /// Returns the kernel that the manifest in `folder` asks for.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if the kernel has a name and a path, the path or a set of options does not
    /// exist, a file with options cannot be read, or an option cannot be one.
    pub fn choice(&self, folder: &Path, shown: &Path) -> Result<KernelChoice> {
        let Self {
            r#use,
            path,
            sets,
            config,
            options,
        } = self;
        let manifest = shown_manifest(shown);
        ensure!(
            r#use.is_none() || path.is_none(),
            Failure::lesson(format!(
                "{manifest}: [kernel] has both `use` and `path`; leave one out"
            ))
        );
        if let Some(path) = path.as_ref().filter(|path| !folder.join(path).exists()) {
            bail!(Failure::lesson(format!(
                "{manifest}: [kernel] path: {} does not exist",
                shown_path(shown, path)
            )));
        }
        let sets = sets.iter().map(|name| {
            OptionSet::parse(name)
                .map_err(|why| Failure::lesson(format!("{manifest}: {why}")).into())
        });
        let files = config.iter().map(|file| {
            let origin = shown_path(shown, file);
            AddedOptions::of_file(&folder.join(file), &origin, Fault::Lesson)
        });
        let options = options
            .iter()
            .map(|option| AddedOptions::of_option(option, &manifest, Fault::Lesson));
        Ok(KernelChoice {
            name: r#use.clone(),
            source: path.as_ref().map(|path| folder.join(path)),
            sets: sets.collect::<Result<_>>()?,
            added: files.chain(options).collect::<Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::guest::MachineName;
    use super::*;

    fn choice(table: &str) -> Result<KernelChoice> {
        let table: KernelTable = toml::from_str(table)?;
        table.choice(Path::new("/a/b"), Path::new("./own"))
    }

    #[test]
    fn a_kernel_is_a_name_or_a_path() -> Result<()> {
        assert!(choice("use = \"7.3\"\npath = \"x\"\n").is_err());
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("linux"))?;
        let table: KernelTable = toml::from_str("path = \"linux\"\n")?;
        let choice = table.choice(folder.path(), Path::new("./own"))?;
        assert_eq!(choice.source, Some(folder.path().join("linux")));
        assert_eq!(choice.name, None);
        Ok(())
    }

    #[test]
    fn a_machine_with_pci_brings_its_options() {
        let sets = |machine| {
            let guest = GuestChoice {
                machine,
                ..GuestChoice::default()
            };
            let choice = KernelChoice::default().for_guest(&guest);
            choice.for_guest(&guest).sets
        };
        assert_eq!(sets(Some(MachineName::Q35)), [OptionSet::Pci]);
        assert_eq!(sets(Some(MachineName::Microvm)), []);
        assert_eq!(sets(None), []);
    }

    #[test]
    fn the_kernels_options_are_checked() -> Result<()> {
        let found = choice("sets = [\"net\"]\noptions = [\"DEBUG_FS\", \"HZ=100\"]\n")?;
        assert_eq!(found.sets, [OptionSet::Net]);
        assert_eq!(found.added.len(), 2);
        for (line, reason) in [
            (
                "sets = [\"usb\"]",
                "./own/kmodlab.toml: `usb` is not a set of options; ",
            ),
            (
                "path = \"../linux\"",
                "./own/kmodlab.toml: [kernel] path: ./own/../linux does not exist",
            ),
            ("config = [\"x.config\"]", "./own/x.config cannot be read: "),
            (
                "options = [\"a b\"]",
                "./own/kmodlab.toml: `a b` is not an option ",
            ),
        ] {
            let error = choice(line).expect_err(line);
            assert_eq!(crate::failure::fault_of(&error), Fault::Lesson);
            assert!(error.to_string().starts_with(reason), "{error}");
        }
        Ok(())
    }
}
