//! The configuration of a kernel: a profile, and the options that a user adds.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::config::Config;
use super::profile::Profile;
use crate::failure::{Failure, Fault};

/// A named set of options on top of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OptionSet {
    /// Parts that drivers often need: debugfs, firmware, GPIO, I2C, SPI, input and others.
    Parts,
    /// Network: sockets, IPv4 and network devices without hardware.
    Net,
    /// Block devices without hardware, and a file system.
    Block,
    /// PCI and ACPI, which the machine q35 needs.
    Pci,
    /// Function tracers.
    Trace,
}

impl OptionSet {
    /// All sets, in the order in which their fragments override each other.
    pub const ALL: [Self; 5] = [Self::Parts, Self::Net, Self::Block, Self::Pci, Self::Trace];

    /// Returns the name that the command line and `kmodlab.toml` use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parts => "parts",
            Self::Net => "net",
            Self::Block => "block",
            Self::Pci => "pci",
            Self::Trace => "trace",
        }
    }

    /// Returns the set with this name.
    ///
    /// # Errors
    ///
    /// Fails with the names of all sets if there is none.
    pub fn parse(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|set| set.name() == name)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                format!("`{name}` is not a set of options; the sets are: {names}")
            })
    }

    /// Returns the name of the set's fragment in `kernel-config/`.
    pub fn fragment(self) -> String {
        format!("{}.config", self.name())
    }
}

impl fmt::Display for OptionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Options that a user adds to a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedOptions {
    /// The file or the argument that has them, for messages.
    pub origin: String,
    /// The options.
    pub options: Config,
    /// The party that is at fault if the kernel cannot have them.
    pub fault: Fault,
}

impl AddedOptions {
    /// Reads the fragment in the file `path`, which messages call `origin`.
    ///
    /// # Errors
    ///
    /// Fails with this fault if the file cannot be read, has a line that is not an option, or an
    /// option that is to be a module.
    pub fn of_file(path: &Path, origin: &str, fault: Fault) -> Result<Self> {
        let read = || -> Result<Config> {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("{origin} cannot be read"))?;
            Config::parse(&text).with_context(|| origin.to_owned())
        };
        let options = read().map_err(|error| Failure::of(fault, format!("{error:#}")))?;
        Self::new(origin, options, fault)
    }

    /// Reads an option `NAME` or `NAME=VALUE`, with or without `CONFIG_`. Without a value, the
    /// option is `y`.
    ///
    /// # Errors
    ///
    /// Fails with this fault if the text is not an option, or if that is to be a module.
    pub fn of_option(text: &str, origin: &str, fault: Fault) -> Result<Self> {
        let (name, value) = text.split_once('=').unwrap_or((text, "y"));
        let name = name.strip_prefix("CONFIG_").unwrap_or(name);
        let options = Config::of_option(name, value).ok_or_else(|| {
            let what = format!("{origin}: `{text}` is not an option such as DEBUG_FS or HZ=100");
            Failure::of(fault, what)
        })?;
        Self::new(origin, options, fault)
    }

    fn new(origin: &str, options: Config, fault: Fault) -> Result<Self> {
        if let Some(name) = options.modules().next() {
            let what = format!(
                "{origin}: CONFIG_{name}=m would be a module of the kernel's own, which guests do \
                 not have; use y"
            );
            return Err(Failure::of(fault, what).into());
        }
        Ok(Self {
            origin: origin.to_owned(),
            options,
            fault,
        })
    }
}

/// The configuration of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configuration {
    /// The checks that are built in.
    pub profile: Profile,
    /// The sets of options on top of the profile.
    sets: Vec<OptionSet>,
    /// The user's options on top of those; later ones override the earlier ones.
    added: Vec<AddedOptions>,
}

impl From<Profile> for Configuration {
    fn from(profile: Profile) -> Self {
        Self {
            profile,
            ..Self::default()
        }
    }
}

impl Configuration {
    /// Reports whether a set of options is on top of the profile.
    pub fn has_set(&self, set: OptionSet) -> bool {
        self.sets.contains(&set)
    }

    /// Adds sets of options.
    pub fn add_sets(&mut self, sets: impl IntoIterator<Item = OptionSet>) {
        self.sets.extend(sets);
        self.sets.sort();
        self.sets.dedup();
    }

    /// Adds options, which override the present ones.
    pub fn add(&mut self, added: impl IntoIterator<Item = AddedOptions>) {
        self.added.extend(added);
    }

    /// Returns the names of the fragments in `kernel-config/`. A later fragment overrides the
    /// earlier ones.
    pub fn fragments(&self) -> Vec<String> {
        let of_profile = self.profile.fragments().iter();
        let of_profile = of_profile.map(|name| (*name).to_owned());
        let sets = self.sets.iter().map(|set| set.fragment());
        of_profile.chain(sets).collect()
    }

    /// Returns the user's options.
    pub fn added(&self) -> &[AddedOptions] {
        &self.added
    }

    /// Returns the party that is at fault if the kernel cannot have all options: the command line
    /// if it has some, else the manifest, else the host.
    pub fn fault(&self) -> Fault {
        let by = |fault| self.added.iter().any(|added| added.fault == fault);
        match () {
            () if by(Fault::Usage) => Fault::Usage,
            () if by(Fault::Lesson) => Fault::Lesson,
            () => Fault::Host,
        }
    }

    /// Returns the sets and the user's options in words, with a space before them: ` with
    /// net and DEBUG_FS=y`; nothing if there are none.
    pub fn words(&self) -> String {
        let mut words: Vec<String> = self.sets.iter().map(ToString::to_string).collect();
        let options = self.added.iter().flat_map(|added| added.options.names());
        words.extend(options.map(str::to_owned));
        match words.is_empty() {
            true => String::new(),
            false => format!(" with {}", words.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::fault_of;

    fn option(text: &str) -> Result<AddedOptions> {
        AddedOptions::of_option(text, "--option", Fault::Usage)
    }

    #[test]
    fn an_option_has_a_name_and_perhaps_a_value() -> Result<()> {
        for (text, rendered) in [
            ("DEBUG_FS", "CONFIG_DEBUG_FS=y\n"),
            ("CONFIG_DEBUG_FS=y", "CONFIG_DEBUG_FS=y\n"),
            ("SMP=n", "# CONFIG_SMP is not set\n"),
            ("HZ=100", "CONFIG_HZ=100\n"),
            ("START=0x1000", "CONFIG_START=0x1000\n"),
            ("LOCALVERSION=-mine", "CONFIG_LOCALVERSION=\"-mine\"\n"),
            ("CMDLINE=\"a b\"", "CONFIG_CMDLINE=\"a b\"\n"),
        ] {
            assert_eq!(option(text)?.options.render(), rendered, "{text}");
        }
        for text in ["", "=y", "debug fs", "A=\"x", "A=x\ny", "A-B"] {
            let error = option(text).expect_err(text);
            assert_eq!(fault_of(&error), Fault::Usage);
            assert!(error.to_string().contains("is not an option"), "{error}");
        }
        let error = option("KUNIT=m").expect_err("a module").to_string();
        assert!(
            error.starts_with("--option: CONFIG_KUNIT=m would be"),
            "{error}"
        );
        Ok(())
    }

    #[test]
    fn a_wrong_fragment_is_the_fault_of_its_owner() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("x.config");
        let read = |fault| AddedOptions::of_file(&path, "./x.config", fault);
        let error = read(Fault::Lesson).expect_err("there is no file");
        assert!(
            error.to_string().starts_with("./x.config cannot be read: "),
            "{error}"
        );
        std::fs::write(&path, "CONFIG_A=y\nDEBUG_FS\n")?;
        let error = read(Fault::Usage).expect_err("a wrong line");
        assert_eq!(fault_of(&error), Fault::Usage);
        assert!(
            error.to_string().starts_with("./x.config: line 2: "),
            "{error}"
        );
        std::fs::write(&path, "CONFIG_A=y\n# a comment\nCONFIG_B=8\n")?;
        assert_eq!(
            read(Fault::Usage)?.options.render(),
            "CONFIG_A=y\nCONFIG_B=8\n"
        );
        Ok(())
    }

    #[test]
    fn the_command_line_is_at_fault_before_the_manifest() -> Result<()> {
        let mut configuration = Configuration::from(Profile::Debug);
        assert_eq!(configuration.fault(), Fault::Host);
        assert_eq!(configuration.words(), "");
        configuration.add_sets([OptionSet::Net, OptionSet::Parts, OptionSet::Net]);
        let of_manifest = AddedOptions::of_option("A", "./kmodlab.toml", Fault::Lesson)?;
        configuration.add([of_manifest]);
        assert_eq!(configuration.fault(), Fault::Lesson);
        configuration.add([option("B=3")?]);
        assert_eq!(configuration.fault(), Fault::Usage);
        assert_eq!(configuration.words(), " with parts, net, A, B");
        let names = [
            "teaching.config",
            "debug.config",
            "parts.config",
            "net.config",
        ];
        assert_eq!(configuration.fragments(), names);
        Ok(())
    }

    #[test]
    fn the_error_for_an_unknown_set_names_all_sets() {
        assert_eq!(OptionSet::parse("block"), Ok(OptionSet::Block));
        let error = OptionSet::parse("usb").expect_err("an unknown set");
        assert_eq!(
            error,
            "`usb` is not a set of options; the sets are: parts, net, block, pci, trace"
        );
    }
}
