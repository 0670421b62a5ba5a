//! The paths of a project's files in the output of kbuild and of the compilers.
//!
//! clang prints absolute paths, or those from the folder in which kbuild works (Linux 7.3); rustc
//! prints paths from the folder of the sources.

use std::path::Path;

/// Beginnings of lines that a path may follow.
const BEFORE_PATHS: [&str; 4] = [
    "In file included from ",
    "                 from ",
    "error: ",
    "",
];

/// Extensions of files that a compiler reports on.
const SOURCES: [&str; 4] = ["c", "h", "S", "rs"];

/// Folders of Rust's library, as rustc prints them: `library/core/src/ops/range.rs`.
const LIBRARY: [&str; 4] = [
    "library/core/src/",
    "library/alloc/src/",
    "library/std/src/",
    "library/proc_macro/src/",
];

/// The folders of a project's build.
#[derive(Debug, Clone)]
pub(super) struct ProjectPaths {
    /// The folder in which kbuild works, with a slash at the end.
    work: String,
    /// The folder of the sources, likewise.
    sources: String,
    /// The path of the second from the first, likewise; empty if they are one.
    relative: String,
}

impl ProjectPaths {
    pub(super) fn new(work: &Path, sources: &Path) -> Self {
        let (work, sources) = (
            format!("{}/", work.display()),
            format!("{}/", sources.display()),
        );
        let relative = sources.strip_prefix(&work).unwrap_or_default().to_owned();
        Self {
            work,
            sources,
            relative,
        }
    }

    /// Reports whether a target of make is a file of the build. kbuild repeats a failure for the
    /// folder itself and for targets outside it.
    pub(super) fn is_target(&self, target: &str) -> bool {
        let name = match target.strip_prefix(&self.work) {
            Some(name) => name,
            None if target.starts_with('/') => return false,
            None => target,
        };
        name != "Module.symvers" && Path::new(name).extension().is_some()
    }

    /// Returns a line in which the paths of the project's files begin with `shown`.
    pub(super) fn shown(&self, line: &str, shown: &str) -> String {
        let line = line
            .replace(&self.sources, shown)
            .replace(&self.work, shown);
        for mark in ["--> ", "::: "] {
            if let Some((before, path)) = line.split_once(mark)
                && before.trim().is_empty()
                && !path.starts_with(['/', '.', '<'])
                && !path.starts_with(shown)
                && !self.is_of_library(path)
            {
                return format!("{before}{mark}{shown}{path}");
            }
        }
        for before in BEFORE_PATHS {
            if let Some(rest) = line.strip_prefix(before)
                && is_relative_place(rest)
                && !rest.starts_with(shown)
                && !self.is_of_library(rest)
            {
                let rest = rest.strip_prefix(&self.relative).unwrap_or(rest);
                return format!("{before}{shown}{rest}");
            }
        }
        line
    }

    /// Reports whether a text begins with the path of a file of Rust's library, and the project has
    /// no file of this path.
    fn is_of_library(&self, text: &str) -> bool {
        let path = text.split_once(':').map_or(text, |(path, _)| path);
        LIBRARY.iter().any(|folder| path.starts_with(folder))
            && !Path::new(&self.sources).join(path).exists()
    }
}

/// Reports whether a text begins with a relative path of a source, or of a Kbuild, and a line.
fn is_relative_place(text: &str) -> bool {
    let Some((path, rest)) = text.split_once(':') else {
        return false;
    };
    let has_line = rest.starts_with(|letter: char| letter.is_ascii_digit());
    let own = Path::new(path).extension().and_then(|own| own.to_str());
    let is_source = own.is_some_and(|own| SOURCES.contains(&own));
    let is_makefile = ["Kbuild", "Makefile"]
        .iter()
        .any(|name| path.ends_with(name));
    has_line
        && (is_source || is_makefile)
        && !path.contains(' ')
        && !path.starts_with(['/', '.', '<'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> ProjectPaths {
        ProjectPaths::new(Path::new("/w/k"), Path::new("/w/k/src"))
    }

    #[test]
    fn paths_of_all_kernels_are_the_users() {
        for (line, shown) in [
            ("/w/k/src/a.c:4:9: error: x", "./x/a.c:4:9: error: x"),
            ("src/a.c:4:9: error: x", "./x/a.c:4:9: error: x"),
            ("a.c:4:9: error: x", "./x/a.c:4:9: error: x"),
            ("./x/a.c:4:9: error: x", "./x/a.c:4:9: error: x"),
            (
                "/s/include/linux/a.h:4:9: note: x",
                "/s/include/linux/a.h:4:9: note: x",
            ),
            (
                "In file included from src/a.c:4:",
                "In file included from ./x/a.c:4:",
            ),
            (" --> a.rs:9:5", " --> ./x/a.rs:9:5"),
            ("::: /kernel/lib.rs:1:1", "::: /kernel/lib.rs:1:1"),
            ("error: Kbuild:2: *** x", "error: ./x/Kbuild:2: *** x"),
            ("    4 | a.c:4", "    4 | a.c:4"),
            ("1 error generated.", "1 error generated."),
        ] {
            assert_eq!(written().shown(line, "./x/"), shown, "{line}");
        }
    }

    #[test]
    fn paths_of_rusts_library_stay_unless_the_project_has_the_file() -> anyhow::Result<()> {
        let place = "library/core/src/ops/range.rs:378:18";
        for line in [
            format!("   --> {place}"),
            format!("   ::: {place}"),
            format!("{place}: note: x"),
        ] {
            assert_eq!(written().shown(&line, "./x/"), line);
        }
        let sources = tempfile::tempdir()?;
        let own = sources.path().join("library/core/src/ops");
        std::fs::create_dir_all(&own)?;
        std::fs::write(own.join("range.rs"), "")?;
        let paths = ProjectPaths::new(Path::new("/w/k"), sources.path());
        assert_eq!(
            paths.shown(&format!(" --> {place}"), "./x/"),
            format!(" --> ./x/{place}")
        );
        Ok(())
    }

    #[test]
    fn targets_are_files_of_the_build() {
        for (target, is) in [
            ("/w/k/src/a.o", true),
            ("src/a.o", true),
            ("own.ko", true),
            ("/w/k/Module.symvers", false),
            ("Module.symvers", false),
            ("/w/k", false),
            (".", false),
            ("__sub-make", false),
            ("/s/vmlinux.o", false),
        ] {
            assert_eq!(written().is_target(target), is, "{target}");
        }
    }
}
