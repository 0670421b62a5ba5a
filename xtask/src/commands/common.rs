//! Options that every building command has.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::failure::{Failure, Fault};
use crate::kernel::source::SourceRequest;
use crate::kernel::{AddedOptions, Configuration, OptionSet, Profile};
use crate::lesson::Lesson;
use crate::modules::Language;
use crate::project::KernelChoice;
use crate::session::Session;

/// The error of a command in a folder that was removed.
const NO_CURRENT_FOLDER: &str = "cannot find the current folder";

/// Options of every command that builds.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// The kernel to use, by its name in kernel-config/kernels.toml
    ///
    /// Without it: 6.7.9, or 6.12 if kernel.org cannot be reached.
    #[arg(long, value_name = "NAME")]
    pub kernel: Option<String>,

    /// Build from this kernel tree or tarball instead of a download
    #[arg(long, value_name = "PATH")]
    pub kernel_source: Option<PathBuf>,

    /// Number of jobs that run at once: jobs of make, and guests [default: number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,

    /// Show the tools' own output
    #[arg(short, long)]
    pub verbose: bool,

    /// Never install system packages; print the command that would
    #[arg(long)]
    pub no_install: bool,
}

impl Common {
    /// Creates the session for these options.
    ///
    /// # Errors
    ///
    /// Fails as [`Session::new`] does.
    pub fn session(&self) -> Result<Session> {
        Session::new(self.verbose, !self.no_install, self.jobs.map(usize::from))
    }

    /// Returns the request for a kernel.
    pub fn source_request(&self) -> SourceRequest {
        SourceRequest {
            kernel: self.kernel.clone(),
            source: self.kernel_source.clone(),
        }
    }

    /// Returns the request for a kernel: that of the options, else that of a project.
    pub fn source_request_or(&self, project: &KernelChoice) -> SourceRequest {
        match (&self.kernel, &self.kernel_source) {
            (None, None) => SourceRequest {
                kernel: project.name.clone(),
                source: project.source.clone(),
            },
            _ => self.source_request(),
        }
    }

    /// Returns the same options with absolute paths, for command lines that run in another folder.
    ///
    /// # Errors
    ///
    /// Fails if the current folder cannot be found.
    pub fn absolute_paths(&self) -> Result<Self> {
        let mut options = self.clone();
        if let Some(path) = &mut options.kernel_source {
            *path = std::path::absolute(&path).context(NO_CURRENT_FOLDER)?;
        }
        Ok(options)
    }

    /// Returns the words that select the same kernel on another command line.
    pub fn kernel_args(&self) -> Vec<String> {
        let mut args = Vec::new();
        if let Some(kernel) = &self.kernel {
            args.extend(["--kernel".to_owned(), kernel.clone()]);
        }
        if let Some(source) = &self.kernel_source {
            args.extend(["--kernel-source".to_owned(), source.display().to_string()]);
        }
        args
    }
}

/// The options for a kernel's configuration, of the commands that boot a kernel or build one for
/// that.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigurationOptions {
    /// Checks that the kernel does while lessons run
    #[arg(long, value_enum, default_value = "teaching")]
    profile: ProfileName,

    /// Add a set of options to the profile's: parts, net, block, pci or trace
    #[arg(long = "set", value_name = "SET", value_delimiter = ',', value_parser = OptionSet::parse)]
    sets: Vec<OptionSet>,

    /// Add the kernel options of this file: lines such as CONFIG_DEBUG_FS=y
    ///
    /// The build stops if the kernel does not have an option, or kconfig drops or changes it.
    #[arg(long = "config", value_name = "FILE")]
    fragments: Vec<PathBuf>,

    /// Add one kernel option, with or without CONFIG_: DEBUG_FS, HZ=100
    #[arg(long = "option", value_name = "NAME[=VALUE]")]
    kernel_options: Vec<String>,
}

/// A profile on the command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum ProfileName {
    /// No check that takes time
    #[default]
    Teaching,
    /// The same, with the set `parts`
    Parts,
    /// Deadlocks (lockdep), sleep in atomic context, leaks (kmemleak), corrupted
    /// lists, timers and reference counts
    Debug,
    /// Accesses to freed memory or beyond the end of an object (KASAN)
    Kasan,
    /// Data races of a module (KCSAN)
    Kcsan,
}

impl ConfigurationOptions {
    /// Returns the same options with absolute paths, for command lines that run in another folder.
    ///
    /// # Errors
    ///
    /// Fails if the current folder cannot be found.
    pub fn absolute_paths(&self) -> Result<Self> {
        let mut options = self.clone();
        for path in &mut options.fragments {
            *path = std::path::absolute(&path).context(NO_CURRENT_FOLDER)?;
        }
        Ok(options)
    }

    /// Returns the words that select the same configuration on another command line.
    pub fn args(&self) -> Vec<String> {
        let mut args = Vec::new();
        let mut add = |option: &str, value: String| args.extend([option.to_owned(), value]);
        match self.profile {
            ProfileName::Teaching => {}
            ProfileName::Parts => add("--profile", "parts".to_owned()),
            ProfileName::Debug => add("--profile", "debug".to_owned()),
            ProfileName::Kasan => add("--profile", "kasan".to_owned()),
            ProfileName::Kcsan => add("--profile", "kcsan".to_owned()),
        }
        for set in &self.sets {
            add("--set", set.to_string());
        }
        for file in &self.fragments {
            add("--config", file.display().to_string());
        }
        for option in &self.kernel_options {
            add("--option", option.clone());
        }
        args
    }

    /// Returns the configuration: that of the options, on top of that of a project.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if a file cannot be read, or if an option cannot be one.
    pub fn configuration(&self, project: &KernelChoice) -> Result<Configuration> {
        let mut configuration = Configuration::from(match self.profile {
            ProfileName::Teaching | ProfileName::Parts => Profile::Teaching,
            ProfileName::Debug => Profile::Debug,
            ProfileName::Kasan => Profile::Kasan,
            ProfileName::Kcsan => Profile::Kcsan,
        });
        if self.profile == ProfileName::Parts {
            configuration.add_sets([OptionSet::Parts]);
        }
        configuration.add_sets(project.sets.iter().chain(&self.sets).copied());
        configuration.add(project.added.iter().cloned());
        for file in &self.fragments {
            let origin = file.display().to_string();
            configuration.add([AddedOptions::of_file(file, &origin, Fault::Usage)?]);
        }
        for option in &self.kernel_options {
            configuration.add([AddedOptions::of_option(option, "--option", Fault::Usage)?]);
        }
        Ok(configuration)
    }
}

/// One or both of the languages of lessons, as an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// The modules in Rust
    Rust,
    /// The C twins
    C,
    /// Both, each in a test case of its own
    Both,
}

impl Lang {
    /// Returns the languages.
    pub fn languages(self) -> &'static [Language] {
        match self {
            Lang::Rust => &[Language::Rust],
            Lang::C => &[Language::C],
            Lang::Both => &[Language::Rust, Language::C],
        }
    }
}

/// One language, as an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OneLang {
    /// Rust
    Rust,
    /// C
    C,
}

impl From<OneLang> for Language {
    fn from(lang: OneLang) -> Self {
        match lang {
            OneLang::Rust => Language::Rust,
            OneLang::C => Language::C,
        }
    }
}

/// Checks that all of the lessons, which the user has named, are in this language.
///
/// # Errors
///
/// Fails with the first lesson that is not.
pub fn refuse_lacking<'a>(
    lessons: impl IntoIterator<Item = &'a Lesson>,
    language: Language,
) -> Result<()> {
    match lessons.into_iter().find(|lesson| !lesson.is_in(language)) {
        None => Ok(()),
        Some(lesson) => {
            Err(Failure::usage(format!("{} has {}", lesson.name, lesson.lacks(language))).into())
        }
    }
}
