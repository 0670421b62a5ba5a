//! The files that the compiler of a module may read, besides those of the kernel: the regular
//! files of the module's own folder.
//!
//! They are copied into the folder in which kbuild works, and their contents are inputs of the
//! module's key. Nothing else can be included, so the key covers whatever a module includes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::Language;
use crate::failure::Failure;
use crate::key::files_below;
use crate::lesson::Lesson;
use crate::project::ProjectFile;

/// Size in bytes above which a file is not a source.
const LARGEST: u64 = 1 << 20;

/// Extensions of files that kbuild makes or compiles itself. A copy of such a file could take the
/// place of the one that kbuild makes.
const OF_KBUILD: [&str; 7] = ["o", "ko", "a", "mod", "cmd", "d", "S"];

/// A file that a module consists of or may include.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Path relative to the folder of the lesson or of the project.
    pub name: PathBuf,
    /// Path of the file on the host, free of symbolic links.
    pub path: PathBuf,
}

/// Returns the sources of the module in `language` of the lesson in `folder`, sorted by name: for
/// Rust the files of the folder without the text and the C twin (also one that lies beside the Rust
/// source), for C those of `c/`. Hidden
/// files, files above 1 MiB, those that kbuild makes, and those whose names make could interpret
/// (it reads the names of included files) are left out.
///
/// # Errors
///
/// Fails if a folder cannot be listed, if a symbolic link leads out of the lesson's folder, and if
/// there is no file with the extension of the language.
pub(super) fn sources(language: Language, folder: &Path) -> Result<Vec<SourceFile>> {
    let below = match language {
        Language::Rust => folder.to_owned(),
        Language::C => folder.join(C_FOLDER),
    };
    let own = folder
        .canonicalize()
        .with_context(|| format!("cannot find {}", folder.display()))?;
    let mut sources = Vec::new();
    for file in files_below(&below)? {
        let name = file.strip_prefix(folder)?;
        if !may_be_source(language, name) || (language == Language::Rust && hides_rust(&file)) {
            continue;
        }
        // A link without a target cannot be included.
        let Ok(path) = file.canonicalize() else {
            continue;
        };
        ensure!(
            path.starts_with(&own),
            Failure::lesson(format!(
                "{} is a symbolic link to {}: a module can include only files of its own folder; \
                 put a copy there",
                file.display(),
                path.display()
            ))
        );
        let metadata = path
            .metadata()
            .with_context(|| format!("cannot look at {}", path.display()))?;
        if metadata.is_file() && metadata.len() <= LARGEST {
            let name = name.to_owned();
            sources.push(SourceFile { name, path });
        }
    }
    ensure!(
        sources
            .iter()
            .any(|source| extension(&source.name) == Some(language.extension())),
        Failure::lesson(format!(
            "{} has no {} source",
            folder.display(),
            language.title()
        ))
    );
    Ok(sources)
}

/// Returns the files that the compiler of a lesson's module may read, besides those of the kernel, sorted by
/// name.
///
/// # Errors
///
/// Fails if a folder cannot be listed, or if a file may not be a source.
pub fn source_files(lesson: &Lesson, language: Language) -> Result<Vec<SourceFile>> {
    let Some(project) = &lesson.project else {
        return sources(language, &lesson.folder);
    };
    let files = project.files()?.files.into_iter();
    Ok(files
        .map(|ProjectFile { name, path }| SourceFile { name, path })
        .collect())
}

/// Folders of a lesson's folder that are not of its module: exercises and wrong answers.
const NOT_OF_MODULE: [&str; 2] = [
    crate::exercise::catalogue::EXERCISES,
    crate::exercise::WRONG,
];

/// Folder of the C twin, in a lesson's folder.
const C_FOLDER: &str = "c";

/// Returns whether the file `name` of a lesson's folder is of a kind that a module may include.
fn may_be_source(language: Language, name: &Path) -> bool {
    let is_plain = |part: &OsStr| {
        let part = part.as_encoded_bytes();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-+~".contains(byte);
        !part.starts_with(b".") && part.iter().all(plain)
    };
    if !name.iter().all(is_plain) || extension(name).is_some_and(|own| OF_KBUILD.contains(&own)) {
        return false;
    }
    if NOT_OF_MODULE.iter().any(|folder| name.starts_with(folder)) {
        return false;
    }
    match language {
        Language::Rust => !name.starts_with(C_FOLDER) && name != Path::new("README.md"),
        Language::C => true,
    }
}

/// Returns whether `file` is a C file beside a Rust file of the same name, in place of which kbuild
/// would compile it.
fn hides_rust(file: &Path) -> bool {
    extension(file) == Some(Language::C.extension())
        && file.with_extension(Language::Rust.extension()).exists()
}

fn extension(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a lesson's folder with these empty files.
    fn lesson(files: &[&str]) -> Result<tempfile::TempDir> {
        let folder = tempfile::tempdir()?;
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().context("a folder")?)?;
            std::fs::write(path, "")?;
        }
        Ok(folder)
    }

    fn names(language: Language, folder: &Path) -> Result<Vec<String>> {
        let sources = sources(language, folder)?;
        let names = sources.iter().map(|source| source.name.to_string_lossy());
        Ok(names.map(std::borrow::Cow::into_owned).collect())
    }

    #[test]
    fn all_files_of_a_module_are_sources() -> Result<()> {
        let folder = lesson(&[
            "README.md",
            "data.txt",
            "parts/README.md",
            "parts/more.rs",
            "part.c",
            "x.c",
            "x.o",
            ".x.o.cmd",
            ".git/config",
            "x.rs",
            "$(shell id).rs",
            "a b/more.rs",
            "c/x.c",
            "c/x.S",
            "c/x.inc",
            "c/.x.o.cmd",
            "exercises/1-a/a.rs",
            "wrong/x.rs.patch",
        ])?;
        let rust = [
            "data.txt",
            "part.c",
            "parts/README.md",
            "parts/more.rs",
            "x.rs",
        ];
        assert_eq!(names(Language::Rust, folder.path())?, rust);
        assert_eq!(names(Language::C, folder.path())?, ["c/x.c", "c/x.inc"]);
        Ok(())
    }

    #[test]
    fn large_and_special_files_are_not_sources() -> Result<()> {
        let folder = lesson(&["x.rs", "large", "limit"])?;
        let resize = |name: &str, size| -> Result<()> {
            let file = std::fs::File::create(folder.path().join(name))?;
            Ok(file.set_len(size)?)
        };
        resize("large", LARGEST + 1)?;
        resize("limit", LARGEST)?;
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket"))?;
        assert_eq!(names(Language::Rust, folder.path())?, ["limit", "x.rs"]);
        Ok(())
    }

    #[test]
    fn a_link_stays_in_the_folder() -> Result<()> {
        use std::os::unix::fs::symlink;
        let folder = lesson(&["x.rs", "data.txt", "c/x.c"])?;
        symlink("data.txt", folder.path().join("link.txt"))?;
        symlink("nothing", folder.path().join("dangling"))?;
        symlink("../data.txt", folder.path().join("c/data.txt"))?;
        let rust = ["data.txt", "link.txt", "x.rs"];
        assert_eq!(names(Language::Rust, folder.path())?, rust);
        assert_eq!(names(Language::C, folder.path())?, ["c/data.txt", "c/x.c"]);

        symlink("/etc/passwd", folder.path().join("c/x.h"))?;
        let error = sources(Language::C, folder.path()).expect_err("a link out of the folder");
        assert!(error.to_string().contains("/c/x.h is a symbolic link to"));
        assert_eq!(names(Language::Rust, folder.path())?, rust);
        Ok(())
    }

    #[test]
    fn a_link_to_a_folder_does_not_lead_out() -> Result<()> {
        let other = lesson(&["x.c"])?;
        let folder = lesson(&["x.rs"])?;
        std::os::unix::fs::symlink(other.path(), folder.path().join("c"))?;
        sources(Language::C, folder.path()).expect_err("a link out of the folder");
        Ok(())
    }

    #[test]
    fn a_module_has_a_source_of_its_language() -> Result<()> {
        let folder = lesson(&["README.md", "data.txt", "c/x.h"])?;
        for language in [Language::Rust, Language::C] {
            let error = sources(language, folder.path()).expect_err("no source");
            assert!(error.to_string().contains(language.title()), "{error}");
        }
        Ok(())
    }
}
