//! Projects: folders with modules from anywhere on the host, in the layout of their owner.
//!
//! ```text
//! folder -> ProjectFiles + Manifest -> Project { builds, texts, guest files }
//!     -> (kbuild in a copy of the folder) -> modules in load order
//! ```
//!
//! A project has one of three layouts: its own `Kbuild` or `Makefile` with `obj-m`, which kbuild
//! reads as it is; a `kmodlab.toml` that lists the sources of each module; or sources alone, each
//! of which becomes a module. Nothing is written into the folder.

mod allowed;
mod detection;
mod files;
mod guest;
mod guest_files;
mod kernel;
mod layout;
mod manifest;

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};

use crate::failure::Failure;
use crate::modules::Language;
use crate::text::shell_word;

pub use allowed::Allowed;
pub use detection::{describes_itself, has_modules};
pub use files::{ProjectFile, ProjectFiles};
pub use guest::{CPUS, GuestChoice, MEMORY_MIB, MachineName, device};
pub use guest_files::{ProjectGuestFile, check_guest_path};
pub use kernel::KernelChoice;
pub use layout::{Build, KBUILD_HEAD, KbuildSource};
pub use manifest::{MANIFEST, unknown_module};

/// A folder with modules.
#[derive(Debug, Clone)]
pub struct Project {
    /// Name for reports and file names: that of the folder.
    pub name: String,
    /// The folder, free of symbolic links.
    pub folder: PathBuf,
    /// The folder as the user wrote it, for messages and command lines.
    pub shown: PathBuf,
    /// The build in each language that the project has: one, unless it is laid out like a lesson.
    pub builds: Vec<Build>,
    /// The kernel that the manifest asks for.
    pub kernel: KernelChoice,
    /// The guest that the manifest asks for.
    pub guest: GuestChoice,
    /// The files for the guest, besides modules.
    pub guest_files: Vec<ProjectGuestFile>,
    /// Names of modules in the order in which the manifest wants them to be loaded; a module that
    /// needs another one's symbols comes after it in any case.
    pub load_order: Vec<String>,
    /// The time limit of a run in seconds of the guest's time, where a text states none.
    pub limit: Option<u16>,
    /// The kernel messages and verdicts with which a run passes.
    pub allowed: Allowed,
    /// The files with transcripts, relative to the folder; without any, the modules are loaded, listed a
    /// second later, and unloaded.
    pub texts: Vec<PathBuf>,
    /// Those of the texts that the user named; without any, all of them run.
    pub named_texts: Vec<PathBuf>,
    /// Whether it is an answer to an exercise: one source, which is built together with others, and
    /// whose warnings belong to the result.
    pub is_answer: bool,
}

impl Project {
    /// Opens the project in the folder `shown`, relative to the current folder.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if there is no such folder, and with the lesson's fault if the
    /// folder has no module or its manifest is wrong.
    pub fn open(shown: &Path) -> Result<Arc<Self>> {
        let folder = shown.canonicalize().map_err(|error| {
            Failure::usage(format!("{} cannot be opened: {error}", shown.display()))
        })?;
        ensure!(
            folder.is_dir(),
            Failure::usage(format!(
                "{} is a file; give the folder with the module's sources",
                shown.display()
            ))
        );
        let files = ProjectFiles::of(&folder, shown)?;
        let manifest = manifest::Manifest::load(&folder, shown)?;
        let name = name_of(&folder);
        let builds = layout::builds(&name, shown, &files, &manifest)?;
        let texts = manifest.texts(&files, shown)?;
        let texts = match texts.is_empty() && layout::is_lesson(&name, &builds, &files) {
            true => files
                .has("README.md")
                .map_or_else(Vec::new, |text| vec![text]),
            false => texts,
        };
        let guest = manifest.guest(shown)?;
        let load_order = manifest.load_order(&builds, shown)?;
        Ok(Arc::new(Self {
            name,
            builds,
            texts,
            kernel: manifest.kernel.choice(&folder, shown)?.for_guest(&guest),
            guest,
            guest_files: manifest.guest_files(&folder, shown)?,
            limit: manifest.limit(shown)?,
            allowed: manifest.allowed(shown)?,
            load_order,
            named_texts: Vec::new(),
            is_answer: false,
            folder,
            shown: shown.to_owned(),
        }))
    }

    /// Opens the project whose text is the file `text`, relative to the current folder: it is in the nearest folder
    /// around the file that describes itself or has the source of a module. Only this text of the project runs.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if the file does not exist or the project does not list it as a text, and as
    /// [`Project::open`] does.
    pub fn open_text(text: &Path) -> Result<Arc<Self>> {
        let file = text.canonicalize().map_err(|error| {
            Failure::usage(format!("{} cannot be opened: {error}", text.display()))
        })?;
        let find = |is_project: fn(&Path) -> bool| {
            let mut folders = file.ancestors().enumerate().skip(1);
            folders.find(|(_, folder)| is_project(folder))
        };
        let wrong = || {
            Failure::usage(format!(
                "{} is a file; give the folder with the module's sources, or a text that [test] texts in the \
                 folder's {MANIFEST} lists",
                text.display()
            ))
        };
        let found = find(describes_itself).or_else(|| find(has_modules));
        let (levels, folder) = found.ok_or_else(wrong)?;
        let start = match text.is_symlink() {
            true => file.clone(),
            false => text.to_owned(),
        };
        let shown = &(0..levels).fold(start, |path, _| folder_around(path));
        let project = Self::open(shown)?;
        let name = file.strip_prefix(folder).unwrap_or(&file).to_owned();
        ensure!(project.texts.contains(&name), wrong());
        Ok(Arc::new(Self {
            named_texts: vec![name],
            ..Self::clone(&project)
        }))
    }

    /// Returns the project whose only file is the source of one module, an answer to an exercise.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if the folder has no such file, and with the host's if it
    /// cannot be read.
    pub fn of_answer(
        name: &str,
        module: &str,
        language: Language,
        folder: &Path,
        shown: &Path,
    ) -> Result<Arc<Self>> {
        let folder = folder
            .canonicalize()
            .with_context(|| format!("cannot find {}", folder.display()))?;
        let files = ProjectFiles::of(&folder, shown)?;
        let source = format!("{module}.{}", language.extension());
        let build = layout::of_module(module, source, &files, shown)?;
        Ok(Arc::new(Self {
            name: name.to_owned(),
            builds: vec![build],
            texts: Vec::new(),
            kernel: KernelChoice::default(),
            guest: GuestChoice::default(),
            guest_files: Vec::new(),
            limit: None,
            allowed: Allowed::default(),
            load_order: Vec::new(),
            named_texts: Vec::new(),
            is_answer: true,
            folder,
            shown: shown.to_owned(),
        }))
    }

    /// Returns the project with more files for the guest.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if the guest cannot have a file, or not beside another.
    pub fn with_files(self: &Arc<Self>, more: &[ProjectGuestFile]) -> Result<Arc<Self>> {
        let mut project = Self::clone(self);
        for file in more {
            file.check()
                .map_err(|why| Failure::usage(format!("--with: {why}")))?;
            project.guest_files.push(file.clone());
        }
        guest_files::check_together(&project.guest_files)
            .map_err(|why| Failure::usage(format!("--with: {why} after a colon")))?;
        Ok(Arc::new(project))
    }

    /// Returns the texts that run.
    pub fn run_texts(&self) -> &[PathBuf] {
        match self.named_texts.is_empty() {
            true => &self.texts,
            false => &self.named_texts,
        }
    }

    /// Returns the project with the texts that run here or in `other`, which is the same folder.
    pub fn with_texts_of(&self, other: &Self) -> Self {
        let all = self.named_texts.is_empty() || other.named_texts.is_empty();
        let more = other.named_texts.iter();
        let more = more.filter(|text| !self.named_texts.contains(text));
        let named = self.named_texts.iter().chain(more).filter(|_| !all);
        Self {
            named_texts: named.cloned().collect(),
            ..self.clone()
        }
    }

    /// Returns the message for a project that has no module in `language`.
    pub fn lacks(&self, language: Language) -> String {
        format!(
            "no source in {} in {}, and a guest has modules of one language",
            language.title(),
            self.shown.display()
        )
    }

    /// Returns the build in `language`.
    pub fn build(&self, language: Language) -> Option<&Build> {
        self.builds.iter().find(|build| build.language == language)
    }

    /// Returns the word that selects the project on a command line.
    pub fn argument(&self) -> String {
        shell_word(&as_path(&self.shown))
    }

    /// Returns the sources in Rust that are the root of a module, by their macro `module!`,
    /// relative to the folder.
    ///
    /// # Errors
    ///
    /// Fails if a source cannot be read.
    pub fn rust_roots(&self) -> Result<Vec<String>> {
        let files = self.files()?;
        let mut roots = Vec::new();
        for path in files.with_extension("rs") {
            if read_text(&self.folder, &self.shown, path)?.contains("module!") {
                roots.push(path.display().to_string());
            }
        }
        Ok(roots)
    }

    /// Lists the files that kbuild may read: all but the texts and the manifest, whose changes need no build.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be read.
    pub fn files(&self) -> Result<ProjectFiles> {
        let mut files = ProjectFiles::of(&self.folder, &self.shown)?;
        let is_source = |file: &ProjectFile| {
            file.name != Path::new(MANIFEST) && !self.texts.contains(&file.name)
        };
        files.files.retain(is_source);
        Ok(files)
    }
}

/// Returns the name of the project in `folder`: letters, digits, `_`, `-` and `.` of the folder's
/// name, and `_` for every other letter.
fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let plain = |letter: char| match letter.is_ascii_alphanumeric() || "_-.".contains(letter) {
        true => letter,
        false => '_',
    };
    let name: String = name.chars().map(plain).collect();
    match name.trim_start_matches('.') {
        "" => "project".to_owned(),
        name => name.to_owned(),
    }
}

/// Reports whether an argument of the command line is a path and not the name of a lesson.
pub fn is_path(argument: &str) -> bool {
    argument.contains('/') || matches!(argument, "." | "..")
}

/// Reports whether a path is a file that can be the text of a project.
pub fn is_text(path: &Path) -> bool {
    path.extension() == Some("md".as_ref()) && path.is_file()
}

/// Returns the argument of a command that takes only a folder in the form of a path: `./x` for `x`.
pub fn as_path(folder: &Path) -> PathBuf {
    match is_path(&folder.to_string_lossy()) {
        true => folder.to_owned(),
        false => Path::new(".").join(folder),
    }
}

/// Returns the folder around a path relative to the current folder: `a` for `a/b`, `.` for `a`, `..` for `.`.
fn folder_around(path: PathBuf) -> PathBuf {
    let is_plain = matches!(path.components().next_back(), Some(Component::Normal(_)));
    match path.parent() {
        // The folder around a link is not the one around its target.
        Some(parent) if is_plain && !path.is_symlink() => as_folder(parent),
        _ if path == Path::new(".") => PathBuf::from(".."),
        _ => path.join(".."),
    }
}

/// Returns a path, or `.` in place of an empty one.
fn as_folder(path: &Path) -> PathBuf {
    match path.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => path.to_owned(),
    }
}

/// Returns `path` relative to the project's folder as a person finds it from the current folder.
fn shown_path(shown: &Path, relative: &Path) -> String {
    shown.join(relative).display().to_string()
}

/// Reads a file of the project, for its text.
fn read_text(folder: &Path, shown: &Path, relative: &Path) -> Result<String> {
    let bytes = std::fs::read(folder.join(relative))
        .with_context(|| format!("cannot read {}", shown_path(shown, relative)))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_around_a_path_is_found_without_the_current_folder() {
        for (path, around) in [
            ("a/b.md", "a"),
            ("b.md", "."),
            (".", ".."),
            ("..", "../.."),
            ("../a", ".."),
            ("/a/b", "/a"),
        ] {
            assert_eq!(
                folder_around(PathBuf::from(path)),
                Path::new(around),
                "{path}"
            );
        }
    }
}
