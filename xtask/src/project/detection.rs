//! Finds out by its files whether a folder has modules.

use std::path::Path;

use super::files::ProjectFiles;
use super::{MANIFEST, ProjectFile, read_text, shown_path};

/// Names of the files in which kbuild finds the modules of a folder, the preferred one first.
pub(super) const KBUILD_FILES: [&str; 2] = ["Kbuild", "Makefile"];

/// Words with which make reads another file.
const INCLUDES: [&str; 3] = ["include", "-include", "sinclude"];

/// The lists of objects that kbuild reads.
pub(super) const OBJECTS: [&str; 4] = ["obj-m", "obj-y", "obj-$(", "obj-${"];

/// Number of folders that a message names.
const MAX_FOLDERS: usize = 8;

/// Reports whether a Kbuild or Makefile has a line such as `obj-m := x.o`, `obj-$(CONFIG_X) += x.o`, or
/// an include of a file with those.
pub(super) fn describes_modules(text: &str) -> bool {
    text.lines().any(|line| {
        let code = line.split('#').next().unwrap_or_default();
        let includes = |word: &str| INCLUDES.contains(&word);
        code.split_whitespace().next().is_some_and(includes)
            || OBJECTS.iter().any(|list| code.contains(list))
    })
}

/// Reports whether a folder has a manifest, or a Kbuild or Makefile with modules.
pub fn describes_itself(folder: &Path) -> bool {
    let describes = |name: &&str| {
        let path = folder.join(name);
        // To read a pipe may take for ever.
        path.is_file() && std::fs::read_to_string(path).is_ok_and(|text| describes_modules(&text))
    };
    folder.join(MANIFEST).is_file() || KBUILD_FILES.iter().any(describes)
}

/// Reports whether a folder has modules by the files in it: it describes itself, or has a source that declares one,
/// also in the folder `c` of a lesson's twin.
pub fn has_modules(folder: &Path) -> bool {
    describes_itself(folder) || has_source(folder) || has_source(&folder.join("c"))
}

/// Reports whether a source in the folder itself declares a module.
fn has_source(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files = files.map(|file| file.path()).filter(|path| path.is_file());
    files.any(|path| {
        let text = || std::fs::read(&path).unwrap_or_default();
        declaration(&path).is_some_and(|word| String::from_utf8_lossy(&text()).contains(word))
    })
}

/// Returns the word by which a source in the language of this file declares a module; `None` for other
/// files.
pub(super) fn declaration(file: &Path) -> Option<&'static str> {
    match file.extension()?.to_str()? {
        "rs" => Some("module!"),
        "c" => Some("MODULE_LICENSE"),
        _ => None,
    }
}

/// Returns the message for a folder without a module.
pub(super) fn without_module(files: &ProjectFiles, shown: &Path) -> String {
    let text = |file: &ProjectFile| read_text(Path::new(""), shown, &file.path).unwrap_or_default();
    let lacks_license = |file: &&ProjectFile| {
        file.name.extension() == Some("c".as_ref())
            && file.name.components().count() == 1
            && ["module_init(", "module_exit("]
                .iter()
                .any(|call| text(file).contains(call))
    };
    if let Some(file) = files.files.iter().find(lacks_license) {
        return format!(
            "{}: this source has an init or exit function, and no MODULE_LICENSE, which a module \
             needs: add a line such as MODULE_LICENSE(\"GPL\");",
            shown_path(shown, &file.name)
        );
    }
    let mut message = format!(
        "{} has no module: neither a Kbuild or Makefile with obj-m, nor a {MANIFEST} with \
         [module.NAME], nor a source with MODULE_LICENSE or module!",
        shown.display()
    );
    let mut folders: Vec<String> = files
        .files
        .iter()
        .filter(|file| may_describe(file, shown))
        .filter_map(|file| file.name.parent())
        // A lesson's C twin is in a folder of its lesson.
        .map(|folder| match folder.file_name() {
            Some(name) if name == "c" => folder.parent().unwrap_or(folder),
            _ => folder,
        })
        .filter(|folder| !folder.as_os_str().is_empty())
        .map(|folder| shown_path(shown, folder))
        .collect();
    folders.sort();
    folders.dedup();
    if !folders.is_empty() {
        let others = folders.len().saturating_sub(MAX_FOLDERS);
        folders.truncate(MAX_FOLDERS);
        message += &format!("; these folders in it may: {}", folders.join(", "));
        if others > 0 {
            message += &format!(", and {others} more");
        }
    }
    message
}

/// Reports whether a file shows that its folder has a module: a Kbuild, a manifest, or a source that
/// declares one.
fn may_describe(file: &ProjectFile, shown: &Path) -> bool {
    let is_named = |name: &&str| file.name.ends_with(name);
    match declaration(&file.name) {
        Some(word) => {
            read_text(Path::new(""), shown, &file.path).is_ok_and(|text| text.contains(word))
        }
        None => KBUILD_FILES.iter().any(is_named) || is_named(&MANIFEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_makefile_describes_modules_in_any_of_makes_ways() {
        for text in [
            "obj-m := x.o\n",
            "obj-$(CONFIG_X) += x.o\n",
            "override obj-m := x.o\n",
            "$(foreach m,$(M),$(eval obj-m += $(m).o))\n",
            "-include modules.mk\n",
            "ifneq ($(KERNELRELEASE),)\n  obj-y += sub/\nendif\n",
        ] {
            assert!(describes_modules(text), "{text}");
        }
        for text in [
            "# obj-m := x.o\n",
            "all: t\nt: t.c\n\tcc -o $@ $<\n",
            "objs := a.o\n",
        ] {
            assert!(!describes_modules(text), "{text}");
        }
    }
}
