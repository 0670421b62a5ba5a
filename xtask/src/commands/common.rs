//! Options that every building command has.

use std::path::PathBuf;

use anyhow::Result;

use crate::failure::Failure;
use crate::kernel::Profile;
use crate::kernel::source::SourceRequest;
use crate::lesson::Lesson;
use crate::modules::Language;
use crate::session::Session;

/// Options of every command that builds.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// The kernel to use, by its name in kernel-config/kernels.toml
    ///
    /// Without it: 6.7.9, or 6.12 where kernel.org cannot be reached.
    #[arg(long, value_name = "NAME")]
    pub kernel: Option<String>,

    /// Build from this kernel tree or tarball instead of a download
    #[arg(long, value_name = "PATH")]
    pub kernel_source: Option<PathBuf>,

    /// How many jobs run at once, make's and guests; the number of cores if left out
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,

    /// Show the tools' own output
    #[arg(short, long)]
    pub verbose: bool,

    /// Never install system packages; say which command would
    #[arg(long)]
    pub no_install: bool,
}

impl Common {
    /// The session that these options ask for.
    pub fn session(&self) -> Result<Session> {
        Session::new(self.verbose, !self.no_install, self.jobs.map(usize::from))
    }

    /// The kernel that these options ask for.
    pub fn source_request(&self) -> SourceRequest {
        SourceRequest {
            kernel: self.kernel.clone(),
            source: self.kernel_source.clone(),
        }
    }

    /// The words that ask another xtask for the same kernel.
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

/// The option that says what the kernel looks for, of the commands that boot
/// one or build it for that.
#[derive(Debug, Clone, clap::Args)]
pub struct ProfileOption {
    /// What the kernel looks for while lessons play
    #[arg(long, value_enum, default_value = "teaching")]
    profile: ProfileName,
}

/// A profile, as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ProfileName {
    /// Nothing that costs time
    Teaching,
    /// Deadlocks (lockdep), sleep in atomic context, leaks (kmemleak), broken
    /// lists, timers and counts
    Debug,
    /// Every access to memory that is freed or beyond its end (KASAN)
    Kasan,
}

impl ProfileOption {
    /// The words that ask another xtask for the same profile.
    pub fn args(&self) -> Vec<String> {
        let name = match self.profile {
            ProfileName::Teaching => return Vec::new(),
            ProfileName::Debug => "debug",
            ProfileName::Kasan => "kasan",
        };
        vec!["--profile".to_owned(), name.to_owned()]
    }

    /// The profile that is meant.
    pub fn profile(&self) -> Profile {
        match self.profile {
            ProfileName::Teaching => Profile::Teaching,
            ProfileName::Debug => Profile::Debug,
            ProfileName::Kasan => Profile::Kasan,
        }
    }
}

/// Which of the two languages that lessons are in, as an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// The modules in Rust
    Rust,
    /// Their twins in C
    C,
    /// Both, each by itself
    Both,
}

impl Lang {
    /// The languages that are meant.
    pub fn languages(self) -> &'static [Language] {
        match self {
            Lang::Rust => &[Language::Rust],
            Lang::C => &[Language::C],
            Lang::Both => &[Language::Rust, Language::C],
        }
    }
}

/// Refuses a lesson that was asked for by name in a language that it is not in.
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
