//! `kmodlab.toml`: the description of a project.
//!
//! ```toml
//! [module.mydrv]
//! sources = ["src/mydrv.rs", "src/hw.c"]
//! include = ["include"]            # folders for #include
//! cflags = ["-DVERBOSE"]
//! kernel_ext = true                # if left out: whether a Rust source uses the crate
//!
//! [kernel]
//! use = "7.3"                      # a name of kernels.toml, or: path = "../linux"
//! sets = ["net"]                   # sets of options of kernel-config
//! config = ["mydrv.config"]        # files with options
//! options = ["DEBUG_FS", "HZ=100"]
//!
//! [guest]
//! machine = "q35"                  # or "microvm"
//! devices = ["edu"]                # of QEMU, on a q35
//! files = { "/root/t" = "tests/t.c" }
//!
//! [test]
//! texts = ["tests/*.md"]
//! load = ["mybus", "mydrv"]        # an order that symbols do not show
//! cpus = 4
//! memory = 512                     # MiB
//! parameters = ["watchdog_thresh=10"]
//! limit = 300                      # seconds of the guest's time
//! allow = ["*registered twice*"]   # messages of the kernel that do not count
//! verdicts = ["kernel-report"]     # verdicts that count as a pass
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Deserializer};

use super::allowed::Allowed;
use super::files::ProjectFiles;
use super::guest::{GuestChoice, MachineName, device};
use super::guest_files::{ProjectGuestFile, check_guest_path, check_together};
use super::kernel::KernelTable;
use super::layout::Build;
use super::shown_path;
use crate::failure::{Failure, Fault};
use crate::lesson::compare::glob_matches;
use crate::modules::kernel_name;
use crate::whole_file;

/// Name of the file, in a project's folder.
pub const MANIFEST: &str = "kmodlab.toml";

/// The contents of `kmodlab.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Manifest {
    /// The modules, by name.
    pub module: BTreeMap<String, ModuleEntry>,
    /// The kernel.
    pub kernel: KernelTable,
    guest: GuestTable,
    test: TestTable,
    /// The settings of a student's folder (xtask/src/exercise/student).
    learn: toml::Table,
}

/// A table `[module.NAME]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModuleEntry {
    /// The sources, relative to the project's folder.
    #[serde(deserialize_with = "plain_paths")]
    pub sources: Vec<String>,
    /// Whether the module is linked with `kernel_ext`.
    #[serde(default)]
    pub kernel_ext: Option<bool>,
    #[serde(default, deserialize_with = "plain_paths")]
    include: Vec<String>,
    #[serde(default)]
    cflags: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GuestTable {
    machine: Option<MachineName>,
    devices: Vec<String>,
    files: BTreeMap<String, PathBuf>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TestTable {
    texts: Vec<String>,
    load: Vec<String>,
    cpus: Option<u32>,
    memory: Option<u32>,
    parameters: Vec<String>,
    limit: Option<u16>,
    allow: Vec<String>,
    verdicts: Vec<String>,
}

impl ModuleEntry {
    /// Returns the entry of a module with one source.
    pub fn of_source(source: String) -> Self {
        Self {
            sources: vec![source],
            ..Self::default()
        }
    }

    /// Returns the flags for the C compiler, as make reads them.
    ///
    /// # Errors
    ///
    /// Fails if a flag would be more than a word to make or the shell, or if a folder does not
    /// exist.
    pub fn flags(&self, files: &ProjectFiles, shown: &Path, module: &str) -> Result<String> {
        let mut flags = Vec::new();
        for folder in &self.include {
            let has = files.files.iter().any(|file| file.name.starts_with(folder));
            ensure!(
                has || folder == ".",
                Failure::lesson(format!(
                    "{}: the include folder {folder} of the module {module} does not exist, or \
                     is empty",
                    shown_manifest(shown)
                ))
            );
            flags.push(format!("-I$(src)/{}/{folder}", super::layout::SOURCES));
        }
        for flag in &self.cflags {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=+./,:".contains(&byte);
            ensure!(
                flag.bytes().all(is_plain) && flag.starts_with('-'),
                Failure::lesson(format!(
                    "{}: `{flag}` of the module {module} is not a flag: a flag begins with - and \
                     has letters, digits and -_=+./,: only",
                    shown_manifest(shown)
                ))
            );
            flags.push(flag.clone());
        }
        Ok(flags.join(" "))
    }
}

impl Manifest {
    /// Reads the manifest of the project in `folder`; one without contents if there is none.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault and the line if the manifest is wrong.
    pub fn load(folder: &Path, shown: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let shown = shown_manifest(shown);
        let text = match whole_file::read_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !path.is_symlink() => {
                return Ok(Self::default());
            }
            Err(error) => bail!(Failure::lesson(format!("{shown} cannot be read: {error}"))),
        };
        let wrong = |error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            let before = text.get(..at).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            // The whole error has the line itself, and a mark below the place.
            let excerpt = error.to_string();
            let what = error.message().lines().next().unwrap_or_default();
            let excerpt: Vec<&str> = excerpt
                .lines()
                .skip(1)
                .take_while(|own| *own != what)
                .collect();
            let excerpt = excerpt.join("\n");
            Failure::lesson(format!("{shown}:{line}: {what}\n{excerpt}"))
        };
        Ok(toml::from_str(&text).map_err(wrong)?)
    }

    /// Returns the guest that the manifest asks for.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if a number is out of its range, a kernel parameter is not one
    /// word, or a text is not a device.
    pub fn guest(&self, shown: &Path) -> Result<GuestChoice> {
        let origin = shown_manifest(shown);
        let devices = self.guest.devices.iter();
        let devices = devices.map(|text| device(text, &origin, Fault::Lesson));
        let choice = GuestChoice {
            machine: self.guest.machine,
            devices: devices.collect::<Result<_>>()?,
            cpus: self.test.cpus,
            memory_mib: self.test.memory,
            kernel_parameters: self.test.parameters.clone(),
        };
        choice.check(&origin)?;
        Ok(choice)
    }

    /// Returns the time limit of a run in seconds.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if it is 0.
    pub fn limit(&self, shown: &Path) -> Result<Option<u16>> {
        ensure!(
            self.test.limit != Some(0),
            Failure::lesson(format!(
                "{}: limit = 0 is not from 1 to {}",
                shown_manifest(shown),
                u16::MAX
            ))
        );
        Ok(self.test.limit)
    }

    /// Returns the kernel messages and verdicts with which a run passes.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if a pattern would allow everything, or a verdict is not one that
    /// can be allowed.
    pub fn allowed(&self, shown: &Path) -> Result<Allowed> {
        let origin = shown_manifest(shown);
        Allowed::new(&self.test.allow, &self.test.verdicts, &origin)
    }

    /// Returns the order of modules that the manifest states.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if the order names a module that no build has. The modules of a
    /// project's own Kbuild are known only after its build.
    pub fn load_order(&self, builds: &[Build], shown: &Path) -> Result<Vec<String>> {
        for modules in builds.iter().filter_map(|build| build.modules.as_ref()) {
            for name in &self.test.load {
                let is_known = |known: &String| kernel_name(known) == kernel_name(name);
                ensure!(
                    modules.iter().any(is_known),
                    Failure::lesson(unknown_module(shown, name, modules))
                );
            }
        }
        Ok(self.test.load.clone())
    }

    /// Returns the files for the guest.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if the guest cannot have a file, or not at this path, or not beside another.
    pub fn guest_files(&self, folder: &Path, shown: &Path) -> Result<Vec<ProjectGuestFile>> {
        let manifest = shown_manifest(shown);
        let mut files = Vec::new();
        for (path, source) in &self.guest.files {
            let file = check_guest_path(path).map(|()| ProjectGuestFile {
                path: path.clone(),
                source: folder.join(source),
            });
            let file = file.and_then(|file| file.check().map(|()| file));
            files.push(file.map_err(|why| Failure::lesson(format!("{manifest}: {path}: {why}")))?);
        }
        check_together(&files).map_err(|why| Failure::lesson(format!("{manifest}: {why}")))?;
        Ok(files)
    }

    /// Returns the files with transcripts, relative to the folder.
    ///
    /// # Errors
    ///
    /// Fails if no file matches one of the names.
    pub fn texts(&self, files: &ProjectFiles, shown: &Path) -> Result<Vec<PathBuf>> {
        let mut texts: Vec<PathBuf> = Vec::new();
        for pattern in &self.test.texts {
            let names = files.files.iter().map(|file| &file.name);
            let matching: Vec<&PathBuf> = names
                .filter(|name| glob_matches(pattern, &name.display().to_string()))
                .collect();
            ensure!(
                !matching.is_empty(),
                Failure::lesson(format!(
                    "{}: no file matches the text {pattern}",
                    shown_manifest(shown)
                ))
            );
            for name in matching {
                if !texts.contains(name) {
                    texts.push(name.clone());
                }
            }
        }
        Ok(texts)
    }
}

/// Reads paths, without `./`.
fn plain_paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let paths = Vec::<String>::deserialize(deserializer)?;
    Ok(paths
        .iter()
        .map(|path| without_current_folder(path))
        .collect())
}

/// Returns a path without `./` and a slash at its end: `src/x.c` for `./src/x.c`, `.` for `./`.
fn without_current_folder(path: &str) -> String {
    let parts = path.split('/').enumerate();
    let parts = parts.filter(|(index, part)| *part != "." && (*index == 0 || !part.is_empty()));
    let parts: Vec<&str> = parts.map(|(_, part)| part).collect();
    match parts.is_empty() {
        true => ".".to_owned(),
        false => parts.join("/"),
    }
}

/// Returns the message for a `load` that names something else than one of the modules.
pub fn unknown_module(shown: &Path, name: &str, modules: &[impl AsRef<str>]) -> String {
    let modules: Vec<&str> = modules.iter().map(AsRef::as_ref).collect();
    let manifest = shown_manifest(shown);
    match &modules[..] {
        [only] => format!("{manifest}: `load` names {name}, but the only module is {only}"),
        _ => format!(
            "{manifest}: `load` names {name}, which is not one of the modules {}",
            modules.join(", ")
        ),
    }
}

/// Returns the path of the manifest as a person finds it from the current folder.
pub(super) fn shown_manifest(shown: &Path) -> String {
    shown_path(shown, Path::new(MANIFEST))
}

#[cfg(test)]
mod tests;
