//! The arguments that name folders with modules, and the options for these.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::exercise::student::StudentFolder;
use crate::failure::{Failure, Fault, fault_of};
use crate::kernel::spec::Kernels;
use crate::lesson::BadText;
use crate::project::{
    GuestChoice, KernelChoice, MANIFEST, MachineName, Project, ProjectGuestFile, check_guest_path,
    describes_itself, device, has_modules, is_path, is_text,
};
use crate::workspace::Workspace;

/// Options for folders with modules.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ProjectOptions {
    /// Bring a file into the guests of the folders: a C source becomes a static program
    ///
    /// Without PATH, it is in the folder in which commands run, a program under the name of its
    /// source without .c.
    #[arg(long = "with", value_name = "FILE[:PATH]", value_parser = guest_file)]
    files: Vec<ProjectGuestFile>,

    /// The guests' machine [default: microvm, or as the folder asks]
    ///
    /// The kernel for a q35 has the set of options `pci`.
    #[arg(long, value_name = "NAME", value_enum)]
    machine: Option<MachineName>,

    /// Add a device of QEMU's to the guests, which need --machine q35: edu, or edu,dma_mask=0xffff
    ///
    /// Its properties are numbers and switches; those that name something of the host are refused.
    #[arg(long = "device", value_name = "DEVICE")]
    devices: Vec<String>,
}

/// The lessons and projects that the arguments of a command name.
#[derive(Debug)]
pub struct Selection {
    /// The names of lessons and races.
    pub names: Vec<String>,
    /// The projects, each once.
    pub projects: Vec<Arc<Project>>,
    /// The other folders.
    pub bad_folders: Vec<BadText>,
    /// The kernel that the projects ask for.
    pub kernel: KernelChoice,
    /// The guest that the projects ask for.
    pub guest: GuestChoice,
}

impl ProjectOptions {
    /// Returns the words that select the same guest on another command line.
    pub fn guest_args(&self) -> Vec<String> {
        let mut args = Vec::new();
        let mut add = |option: &str, value: &str| {
            args.extend([option.to_owned(), value.to_owned()]);
        };
        if let Some(machine) = self.machine {
            add("--machine", machine.name());
        }
        for device in &self.devices {
            add("--device", device);
        }
        for ProjectGuestFile { path, source } in &self.files {
            let source = source.display();
            add("--with", &format!("{source}:{path}"));
        }
        args
    }

    /// Divides arguments into names and folders, and opens the folders, which must all be projects.
    ///
    /// # Errors
    ///
    /// Fails if a folder is not a project, and as [`ProjectOptions::select_each`] does.
    pub fn select(&self, arguments: &[String]) -> Result<Selection> {
        let selection = self.select_each(arguments)?;
        match selection.bad_folders.first() {
            Some(bad) => Err(Failure::lesson(bad.message()).into()),
            None => Ok(selection),
        }
    }

    /// Divides arguments into names and folders, and opens the folders. One that is not a project does not stop
    /// the others.
    ///
    /// # Errors
    ///
    /// Fails if two projects have the same name or ask for different kernels, and with a usage error if there is
    /// no such folder, or there are options for folders, but no folder.
    pub fn select_each(&self, arguments: &[String]) -> Result<Selection> {
        let mut selection = Selection {
            names: Vec::new(),
            projects: Vec::new(),
            bad_folders: Vec::new(),
            kernel: KernelChoice::default(),
            guest: GuestChoice::default(),
        };
        for argument in arguments {
            if is_path(argument) {
                match self.open(Path::new(argument)) {
                    Ok(project) => selection.add(project.with_files(&self.files)?)?,
                    Err(error) if fault_of(&error) == Fault::Lesson => {
                        let bad = BadText::of_folder(Path::new(argument), format!("{error:#}"));
                        selection.bad_folders.push(bad);
                    }
                    Err(error) => return Err(error),
                }
            } else {
                selection.names.push(argument.clone());
            }
        }
        selection.guest.machine = self.machine.or(selection.guest.machine);
        for text in &self.devices {
            let added = device(text, "--device", Fault::Usage)?;
            selection.guest.devices.push(added);
        }
        selection.kernel = selection.kernel.for_guest(&selection.guest);
        if !self.files.is_empty() && !selection.has_folders() {
            bail!(Failure::usage(
                "--with: give the folder of a module too, such as `test .`"
            ));
        }
        Ok(selection)
    }
}

impl ProjectOptions {
    /// Opens the project in the folder `shown`, or with the text `shown`, and checks the kernel and the devices that it asks for.
    fn open(&self, shown: &Path) -> Result<Arc<Project>> {
        let project = match is_text(shown) {
            true => Project::open_text(shown)?,
            false => Project::open(shown)?,
        };
        let shown = &*project.shown;
        let manifest = shown.join(MANIFEST);
        if let Some(name) = &project.kernel.name {
            let kernels = Kernels::load(&Workspace::find()?)?;
            kernels.get(name).map_err(|error| {
                Failure::lesson(format!("{}: [kernel] use: {error}", manifest.display()))
            })?;
        }
        let guest = GuestChoice {
            machine: self.machine.or(project.guest.machine),
            ..project.guest.clone()
        };
        guest.check_machine()?;
        Ok(project)
    }
}

impl Selection {
    /// Reports whether the arguments name a folder.
    pub fn has_folders(&self) -> bool {
        !self.projects.is_empty() || !self.bad_folders.is_empty()
    }

    fn add(&mut self, project: Arc<Project>) -> Result<()> {
        for known in &mut self.projects {
            if known.folder == project.folder {
                *known = Arc::new(known.with_texts_of(&project));
                return Ok(());
            }
            if known.name == project.name {
                bail!(Failure::usage(format!(
                    "{} and {} have the same name; run one after the other",
                    known.shown.display(),
                    project.shown.display()
                )));
            }
        }
        if self.names.contains(&project.name) {
            bail!(Failure::usage(format!(
                "{} has the name of the lesson {}; run one after the other",
                project.shown.display(),
                project.name
            )));
        }
        if project.kernel != KernelChoice::default() {
            if self.kernel != KernelChoice::default() && self.kernel != project.kernel {
                bail!(Failure::usage(format!(
                    "{} asks for another kernel than the folders before it; choose one with \
                     --kernel, or run one after the other",
                    project.shown.display()
                )));
            }
            self.kernel = project.kernel.clone();
        }
        if project.guest != GuestChoice::default() {
            if self.guest != GuestChoice::default() && self.guest != project.guest {
                bail!(Failure::usage(format!(
                    "{} asks for another guest than the folders before it; run one after the other",
                    project.shown.display()
                )));
            }
            self.guest = project.guest.clone();
        }
        self.projects.push(project);
        Ok(())
    }
}

/// Returns the arguments of a command. Without any, they are the project that the current folder is in, unless it is
/// in a clone or a student's.
pub fn or_current_folder(arguments: &[String]) -> Vec<String> {
    match arguments.is_empty() {
        true => current_project().into_iter().collect(),
        false => arguments.to_vec(),
    }
}

/// Returns the folder of the project that the current folder is in: `.`, or the nearest folder above it with a
/// manifest, such as `../..`.
fn current_project() -> Option<String> {
    let current = Path::new(".").canonicalize().ok()?;
    if Workspace::around(&current).is_ok() || StudentFolder::open(&current).is_ok() {
        return None;
    }
    let mut folders = current.ancestors().enumerate().skip(1);
    let above = folders.find(|(_, folder)| folder.join(MANIFEST).is_file());
    // A student's folder has a manifest too.
    let above = above.filter(|(_, folder)| StudentFolder::open(folder).is_err());
    match above.filter(|_| !describes_itself(&current)) {
        Some((levels, _)) => Some(vec![".."; levels].join("/")),
        None => has_modules(&current).then(|| ".".to_owned()),
    }
}

/// Refuses a command without arguments in a folder that is neither empty nor in a clone, and has no module: it would
/// pass with kmodlab's own lessons where somebody means a module.
///
/// # Errors
///
/// Fails with a usage error if so.
pub fn refuse_lessons_in_another_folder() -> Result<()> {
    let Ok(current) = Path::new(".").canonicalize() else {
        return Ok(());
    };
    let is_hidden = |name: &OsString| name.as_encoded_bytes().starts_with(b".");
    let mut names = std::fs::read_dir(&current)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    let is_empty = names.all(|name| is_hidden(&name));
    let is_students = matches!(StudentFolder::find(&current), Ok(Some(_)));
    if is_empty || is_students || Workspace::is_chosen(&current) || current_project().is_some() {
        return Ok(());
    }
    let missing = match Project::open(Path::new(".")) {
        Ok(_) => return Ok(()),
        Err(error) => format!("{error:#}"),
    };
    Err(Failure::usage(format!(
        "{missing}\ngive the folder of a module, or the names of kmodlab's own lessons; `test --list` lists them"
    ))
    .into())
}

/// Reads `FILE[:PATH]`. A file whose name has a colon is given with a path.
fn guest_file(text: &str) -> Result<ProjectGuestFile, String> {
    let (source, path) = match text.rsplit_once(":/") {
        Some((source, path)) => (PathBuf::from(source), format!("/{path}")),
        None => {
            let source = PathBuf::from(text);
            let name = source.file_name().unwrap_or_default().to_string_lossy();
            let name = name.strip_suffix(".c").unwrap_or(&name);
            let path = format!("/root/{name}");
            (source, path)
        }
    };
    check_guest_path(&path)?;
    let file = ProjectGuestFile { path, source };
    file.check().map(|()| file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_path_in_the_guest() {
        let this = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let file = |text: &str| guest_file(text).map(|file| file.path);
        assert_eq!(file(this).as_deref(), Ok("/root/Cargo.toml"));
        let given = format!("{this}:/etc/x.toml");
        assert_eq!(file(&given).as_deref(), Ok("/etc/x.toml"));
        assert!(file(&format!("{this}:/proc/x")).is_err());
        assert!(file("/nothing/x.c").is_err());
    }
}
