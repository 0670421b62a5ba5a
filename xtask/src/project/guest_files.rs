//! The files that a project brings to its guests besides its modules.

use std::path::{Path, PathBuf};

use crate::initramfs::FOLDERS;

/// Maximum size of a file for a guest in bytes: a quarter of the guest's memory.
const LARGEST: u64 = 64 << 20;

/// A file that a project brings to its guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectGuestFile {
    /// Absolute path in the guest.
    pub path: String,
    /// The file on the host. A C source is compiled to a static program.
    pub source: PathBuf,
}

impl ProjectGuestFile {
    /// Returns true if the file is a C source, of which the guest gets the program.
    pub fn is_program(&self) -> bool {
        self.source.extension().is_some_and(|own| own == "c")
    }

    /// Checks that the guest can have the file.
    ///
    /// # Errors
    ///
    /// Fails with the reason: the file does not exist, cannot be read, is too large, or is a program that needs
    /// a C library.
    pub fn check(&self) -> Result<(), String> {
        let shown = self.source.display();
        let metadata = match self.source.metadata() {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => return Err(format!("{shown} is not a file")),
            Err(error) => return Err(format!("{shown} is not a file: {error}")),
        };
        if metadata.len() > LARGEST {
            return Err(format!(
                "{shown} is larger than {} MiB, which the guest has no memory for",
                LARGEST >> 20
            ));
        }
        match needs_loader(&self.source) {
            Ok(false) => Ok(()),
            Ok(true) => Err(format!(
                "{shown} is not linked statically, and the guest has no C library; give its C source, or link it \
                 with -static"
            )),
            Err(error) => Err(format!("cannot read {shown}: {error}")),
        }
    }
}

/// Returns true if a file is a program that a dynamic loader must start.
fn needs_loader(path: &Path) -> std::io::Result<bool> {
    use object::read::elf::{FileHeader as _, ProgramHeader as _};
    let contents = std::fs::read(path)?;
    let contents = &contents[..];
    let Ok(header) = object::elf::FileHeader64::<object::Endianness>::parse(contents) else {
        return Ok(false);
    };
    let Ok(endian) = header.endian() else {
        return Ok(false);
    };
    let segments = header.program_headers(endian, contents);
    Ok(segments.is_ok_and(|segments| {
        let mut segments = segments.iter();
        segments.any(|segment| segment.p_type(endian) == object::elf::PT_INTERP)
    }))
}

/// Folders that a guest needs besides those of its base, relative to its root folder.
const MORE_FOLDERS: [&str; 4] = ["kmodlab", "lib", "lib/modules", "usr"];

/// Programs without which the agent cannot start or end a test case (initramfs/agent/src).
const KEPT: [&str; 6] = [
    "/bin/busybox",
    "/bin/dmesg",
    "/bin/sh",
    "/init",
    "/usr/bin/setsid",
    "/usr/bin/unshare",
];

/// Maximum length of a file's name in bytes (`NAME_MAX` in include/uapi/linux/limits.h).
const MAX_NAME: usize = 255;

/// Checks the path of a file in the guest.
///
/// # Errors
///
/// Fails with the rule that it breaks.
pub fn check_guest_path(path: &str) -> Result<(), String> {
    let parts = path.split('/').skip(1);
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    if !path.starts_with('/') || !parts.into_iter().all(is_part) {
        return Err("a path in the guest is absolute, without `.`, `..` or `//`".to_owned());
    }
    if path.contains(char::is_control) {
        return Err("a path in the guest has no control characters".to_owned());
    }
    let kept = KEPT.contains(&path)
        || ["/proc/", "/sys/", "/dev/", "/kmodlab/"]
            .iter()
            .any(|folder| path.starts_with(folder));
    if kept {
        return Err("this path is the guest's own; use /root, say".to_owned());
    }
    let mut folders = FOLDERS.iter().chain(&MORE_FOLDERS);
    if folders.any(|folder| path.strip_prefix('/') == Some(folder)) {
        return Err(format!(
            "{path} is a folder of the guest; add the file's name"
        ));
    }
    if path.split('/').any(|part| part.len() > MAX_NAME) {
        return Err(format!(
            "a name in the path has more than {MAX_NAME} bytes, which no file may have"
        ));
    }
    Ok(())
}

/// Checks that the guest can have all of the files: two cannot have the same path, and none can be in a folder
/// where another is a file.
///
/// # Errors
///
/// Fails with the paths that are in each other's way.
pub(super) fn check_together(files: &[ProjectGuestFile]) -> Result<(), String> {
    for (index, file) in files.iter().enumerate() {
        for other in &files[..index] {
            if file.path == other.path {
                return Err(format!(
                    "the guest already has a file {}; give another path",
                    file.path
                ));
            }
            let [one, two] = [&file.path, &other.path];
            let in_other = |path: &str, folder: &str| {
                path.strip_prefix(folder)
                    .is_some_and(|rest| rest.starts_with('/'))
            };
            for (path, folder) in [(one, two), (two, one)] {
                if in_other(path, folder) {
                    return Err(format!(
                        "{path} would be in the folder {folder}, and {folder} is a file; give another path"
                    ));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_each_others_way_are_refused() {
        let files = |paths: [&str; 2]| {
            paths.map(|path| ProjectGuestFile {
                path: path.to_owned(),
                source: PathBuf::new(),
            })
        };
        assert_eq!(check_together(&files(["/root/x", "/root/xy"])), Ok(()));
        for paths in [
            ["/root/x", "/root/x"],
            ["/root/x", "/root/x/y"],
            ["/root/x/y/z", "/root/x"],
        ] {
            assert!(check_together(&files(paths)).is_err(), "{paths:?}");
        }
    }

    #[test]
    fn paths_in_the_guest_are_plain() {
        for path in ["/root/t", "/lib/firmware/x.bin", "/t"] {
            assert_eq!(check_guest_path(path), Ok(()), "{path}");
        }
        for path in ["t", "/", "/root/../init", "//t", "/init", "/proc/x", ""] {
            assert!(check_guest_path(path).is_err(), "{path}");
        }
        for path in [
            "/root",
            "/lib/modules",
            &format!("/root/{}", "x".repeat(256)),
        ] {
            assert!(check_guest_path(path).is_err(), "{path}");
        }
    }
}
