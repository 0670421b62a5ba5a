//! The files of a project's folder that kbuild may read.
//!
//! They are copied into the folder in which kbuild works, so hidden files, the results of other
//! builds and large files are left out: a checkout may have a `.git` or a `target` of gigabytes
//! beside a module of a few kilobytes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::failure::Failure;

/// Size in bytes above which a file is not a source: sixteen times the kernel's largest header.
const LARGEST: u64 = 16 << 20;

/// Maximum number of files of a project.
const MOST_FILES: usize = 10_000;

/// Maximum size in bytes of all files of a project together.
const MOST_BYTES: u64 = 256 << 20;

/// Extensions of files that kbuild makes. A copy of such a file could take the place of the one
/// that kbuild makes.
const OF_KBUILD: [&str; 6] = ["o", "ko", "a", "mod", "cmd", "d"];

/// Files that kbuild makes in the folder of an external module.
const MADE: [&str; 3] = ["Module.symvers", "modules.order", ".tmp_versions"];

/// A file that marks a folder of results, such as cargo's `target`
/// (<https://bford.info/cachedir/>).
const CACHE_TAG: &str = "CACHEDIR.TAG";

/// A file of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectFile {
    /// Path relative to the project's folder.
    pub name: PathBuf,
    /// Path of the file on the host, free of symbolic links.
    pub path: PathBuf,
}

/// The files of a project, sorted by name.
#[derive(Debug, Clone, Default)]
pub struct ProjectFiles {
    /// The files.
    pub files: Vec<ProjectFile>,
    /// Files that look like sources and were left out, each with the reason.
    pub left_out: Vec<String>,
}

impl ProjectFiles {
    /// Lists the files of `folder`, which messages call `shown`.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be looked at, and with a usage error if a folder cannot be listed, or there
    /// are too many files or too large ones for a module.
    pub fn of(folder: &Path, shown: &Path) -> Result<Self> {
        let mut found = Self::default();
        let mut bytes = 0;
        found.visit(folder, folder, shown, &mut bytes)?;
        found.files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Returns the path of the file with this name, relative to the folder, if there is one.
    pub fn has(&self, name: &str) -> Option<PathBuf> {
        let name = Path::new(name);
        let has = self.files.iter().any(|file| file.name == name);
        has.then(|| name.to_owned())
    }

    /// Returns the files with this extension, relative to the folder.
    pub fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = &'a Path> {
        let names = self.files.iter().map(|file| file.name.as_path());
        names.filter(move |name| name.extension() == Some(OsStr::new(extension)))
    }

    fn visit(&mut self, root: &Path, folder: &Path, shown: &Path, bytes: &mut u64) -> Result<()> {
        let list = || format!("cannot list {}", folder.display());
        let entries = std::fs::read_dir(folder).map_err(|error| {
            Failure::usage(format!(
                "{}: {error}; give the folder of the module",
                list()
            ))
        })?;
        for entry in entries {
            let entry = entry.with_context(list)?;
            let (path, name) = (entry.path(), entry.file_name());
            let relative = path.strip_prefix(root)?.to_owned();
            if !is_plain(&name) {
                self.leave_out(
                    &relative,
                    "its name has a letter that make reads as its own",
                );
                continue;
            }
            if name.as_encoded_bytes().starts_with(b".") || is_made(&name) {
                continue;
            }
            // A link without a target has nothing to read.
            let Ok(target) = path.canonicalize() else {
                continue;
            };
            if !target.starts_with(root) {
                self.leave_out(&relative, "it is a symbolic link out of the folder");
                continue;
            }
            let metadata = target
                .metadata()
                .with_context(|| format!("cannot look at {}", path.display()))?;
            if metadata.is_dir() {
                let is_link = entry.file_type().with_context(list)?.is_symlink();
                if !is_link && !path.join(CACHE_TAG).exists() {
                    self.visit(root, &path, shown, bytes)?;
                }
                continue;
            }
            if !metadata.is_file() {
                continue;
            }
            if metadata.len() > LARGEST {
                let why = format!("it is larger than {} MiB", LARGEST >> 20);
                self.leave_out(&relative, &why);
                continue;
            }
            *bytes += metadata.len();
            self.files.push(ProjectFile {
                name: relative,
                path: target,
            });
            if self.files.len() > MOST_FILES || *bytes > MOST_BYTES {
                bail!(Failure::usage(format!(
                    "{} has more than {MOST_FILES} files or {} MiB; give the folder of the \
                     module, not the one around it",
                    shown.display(),
                    MOST_BYTES >> 20
                )));
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, relative: &Path, why: &str) {
        const SOURCES: [&str; 6] = ["c", "h", "rs", "S", "mk", "toml"];
        let is_source = relative
            .extension()
            .is_some_and(|own| SOURCES.iter().any(|known| own == *known));
        if is_source {
            self.left_out
                .push(format!("{} was left out: {why}", relative.display()));
        }
    }

    /// Copies the files into `work`.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be copied.
    pub fn copy_to(&self, work: &Path) -> Result<()> {
        for ProjectFile { name, path } in &self.files {
            let target = work.join(name);
            if let Some(folder) = target.parent() {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("cannot make {}", folder.display()))?;
            }
            std::fs::copy(path, &target)
                .with_context(|| format!("cannot copy {}", path.display()))?;
            make_writable(&target)?;
        }
        Ok(())
    }
}

/// Lets the owner write a copy of a file that nobody may write, so that kbuild can be run again in
/// its folder and the folder can be removed.
fn make_writable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut permissions = std::fs::metadata(path)
        .with_context(|| format!("cannot look at {}", path.display()))?
        .permissions();
    permissions.set_mode(permissions.mode() | 0o600);
    std::fs::set_permissions(path, permissions)
        .with_context(|| format!("cannot change the permissions of {}", path.display()))
}

fn is_plain(name: &OsStr) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-+~,@=".contains(byte);
    name.as_encoded_bytes().iter().all(plain)
}

fn is_made(name: &OsStr) -> bool {
    let own = Path::new(name).extension();
    let is_object = own.is_some_and(|own| OF_KBUILD.iter().any(|known| own == *known));
    let text = name.to_string_lossy();
    is_object || MADE.contains(&&*text) || text.ends_with(".mod.c")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> Result<tempfile::TempDir> {
        let folder = tempfile::tempdir()?;
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().context("a folder")?)?;
            std::fs::write(path, "")?;
        }
        Ok(folder)
    }

    fn names(folder: &Path) -> Result<Vec<String>> {
        let folder = folder.canonicalize()?;
        let files = ProjectFiles::of(&folder, &folder)?.files;
        let names = files.iter().map(|file| file.name.display().to_string());
        Ok(names.collect())
    }

    #[test]
    fn results_and_hidden_files_are_left_out() -> Result<()> {
        let folder = folder(&[
            "Kbuild",
            "x.c",
            "x.o",
            "x.ko",
            "x.mod",
            "x.mod.c",
            ".x.o.cmd",
            ".git/config",
            "Module.symvers",
            "modules.order",
            "include/x.h",
            "target/CACHEDIR.TAG",
            "target/debug/x.rs",
            "entry.S",
            "a b.c",
        ])?;
        let expected = ["Kbuild", "entry.S", "include/x.h", "x.c"];
        assert_eq!(names(folder.path())?, expected);
        let root = folder.path().canonicalize()?;
        let left_out = ProjectFiles::of(&root, &root)?.left_out;
        assert_eq!(left_out.len(), 1);
        assert!(
            left_out[0].starts_with("a b.c was left out"),
            "{left_out:?}"
        );
        Ok(())
    }

    #[test]
    fn links_stay_in_the_folder() -> Result<()> {
        use std::os::unix::fs::symlink;
        let folder = folder(&["x.c", "include/x.h"])?;
        symlink("x.c", folder.path().join("y.c"))?;
        symlink("/etc/passwd", folder.path().join("z.c"))?;
        symlink("nothing", folder.path().join("dangling.c"))?;
        symlink(".", folder.path().join("loop"))?;
        assert_eq!(names(folder.path())?, ["include/x.h", "x.c", "y.c"]);
        Ok(())
    }

    #[test]
    fn a_large_file_is_left_out() -> Result<()> {
        let folder = folder(&["x.c"])?;
        std::fs::File::create(folder.path().join("disk.img"))?.set_len(LARGEST + 1)?;
        assert_eq!(names(folder.path())?, ["x.c"]);
        Ok(())
    }

    #[test]
    fn a_copy_can_be_written() -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = folder(&["sub/x.c"])?;
        let source = folder.path().join("sub/x.c");
        std::fs::set_permissions(&source, std::fs::Permissions::from_mode(0o555))?;
        let root = folder.path().canonicalize()?;
        let copy = tempfile::tempdir()?;
        ProjectFiles::of(&root, &root)?.copy_to(copy.path())?;
        let mode = std::fs::metadata(copy.path().join("sub/x.c"))?
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o755);
        Ok(())
    }
}
