//! Profiles: the checks that a kernel does at run time.

use std::fmt;

/// A set of checks that are built into a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// No check that takes time: the kernel that lessons are written for.
    #[default]
    Teaching,
    /// Lockdep, sleeping in atomic context, kmemleak, lists, timers and more.
    Debug,
    /// KASAN: accesses to freed memory or beyond the end of an object.
    Kasan,
    /// KCSAN: data races between two tasks of a module, or between a module and the kernel.
    Kcsan,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 4] = [Self::Teaching, Self::Debug, Self::Kasan, Self::Kcsan];

    /// Returns the name that the command line uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Teaching => "teaching",
            Self::Debug => "debug",
            Self::Kasan => "kasan",
            Self::Kcsan => "kcsan",
        }
    }

    /// Returns the profile with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Returns the names of the profile's fragments in `kernel-config/`. A later fragment
    /// overrides the earlier ones.
    pub fn fragments(self) -> &'static [&'static str] {
        match self {
            Self::Teaching => &["teaching.config"],
            Self::Debug => &["teaching.config", "debug.config"],
            Self::Kasan => &["teaching.config", "kasan.config"],
            Self::Kcsan => &["teaching.config", "kcsan.config"],
        }
    }

    /// Returns the kernel parameters of guests in virtual time, in addition to those of all
    /// profiles, which they override.
    ///
    /// KCSAN leaves one to three accesses unwatched after each that it watches: those are where it
    /// finds that an earlier one was held back (`KCSAN_WEAK_MEMORY`). A CPU that is idle while this
    /// kernel starts has no timer interrupts for 3 s, which the detector of soft lockups would
    /// report after 2 s.
    pub fn kernel_parameters(self) -> &'static [&'static str] {
        match self {
            Self::Teaching | Self::Debug | Self::Kasan => &[],
            Self::Kcsan => &["kcsan.skip_watch=3", "watchdog_thresh=2"],
        }
    }

    /// Returns true if the kernel can search for leaked memory (kmemleak).
    pub fn finds_leaks(self) -> bool {
        self == Self::Debug
    }

    /// Returns a kernel's version, followed by the profile if that is not the default one:
    /// `6.12.117`, `6.12.117-debug`.
    pub fn label(self, version: &str) -> String {
        match self {
            Self::Teaching => version.to_owned(),
            _ => format!("{version}-{self}"),
        }
    }

    /// Returns the version and the profile of a [`Profile::label`].
    pub fn of_label(label: &str) -> (&str, Self) {
        Self::ALL
            .into_iter()
            .find_map(|profile| {
                let version = label.strip_suffix(profile.name())?.strip_suffix('-')?;
                Some((version, profile))
            })
            .unwrap_or((label, Self::Teaching))
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::config::Fragments;
    use crate::workspace::Workspace;

    #[test]
    fn every_fragment_exists() -> anyhow::Result<()> {
        let folder = Workspace::find()?.kernel_config();
        for profile in Profile::ALL {
            let text = Fragments::load(&folder, profile.fragments())?
                .options
                .render();
            let has = |option: &str| text.lines().any(|line| line == option);
            // Else tinyconfig's allocator rules SLUB's checks and KASAN out.
            let tiny = has("# CONFIG_SLUB_TINY is not set");
            let checks_memory = matches!(profile, Profile::Debug | Profile::Kasan);
            assert_eq!(tiny, checks_memory, "{profile}");
            assert_eq!(has("CONFIG_PROVE_LOCKING=y"), profile == Profile::Debug);
            assert_eq!(has("CONFIG_DEBUG_KMEMLEAK=y"), profile.finds_leaks());
            assert_eq!(has("CONFIG_KASAN=y"), profile == Profile::Kasan);
            assert_eq!(has("CONFIG_KCSAN=y"), profile == Profile::Kcsan);
        }
        Ok(())
    }

    #[test]
    fn a_label_has_version_and_profile() {
        for profile in Profile::ALL {
            let label = profile.label("6.12.117");
            assert_eq!(Profile::of_label(&label), ("6.12.117", profile));
        }
        assert_eq!(Profile::Teaching.label("6.7.9"), "6.7.9");
        assert_eq!(Profile::Kasan.label("6.7.9"), "6.7.9-kasan");
        assert_eq!(
            Profile::of_label("6.12.0-rc1"),
            ("6.12.0-rc1", Profile::Teaching)
        );
    }
}
