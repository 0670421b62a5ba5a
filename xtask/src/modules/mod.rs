//! Builds the modules: `kernel_ext` once for each kernel, each lesson's Rust module with it, each
//! lesson's C twin, and the modules of projects.

mod attribution;
mod batch;
mod builder;
mod cached;
mod calls;
mod compiled;
mod doc;
mod editor;
mod guest_files;
mod imports;
mod includes;
mod kbuild_lines;
mod language;
mod lessons;
mod load_order;
mod off_options;
mod own_kbuild;
mod project;
mod project_paths;
mod sandbox;
mod sources;
mod tested_options;
mod tool_failure;
mod unbuilt;
mod undefined;
mod warnings;

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use kmodlab_protocol::{GuestFile, TRACKER};

use crate::cache::Parts;
use crate::kernel::KernelImage;
use crate::key::Key;
use crate::project::Project;
use crate::session::Session;
use crate::toolchain::Toolchain;
use crate::ui::Stage;

use builder::ModuleBuilder;

pub use cached::{are_missing, find_all, prepare_builds};
pub use compiled::CompiledSource;
pub use doc::DocPages;
pub use editor::{EXAMPLE, EditorCrates, compiled_sources_of};
pub use guest_files::{MODPROBE_INDEX, modprobe_index};
pub use imports::imports_of;
pub use language::Language;
pub use sources::{SourceFile, source_files};
pub use unbuilt::UnbuiltModule;

/// Kind of the results, with the recipe's number; change it when the recipe changes.
pub const KIND: &str = "modules 6";

/// Folder of the module without line tables, in each module's folder.
const STRIPPED: &str = "stripped";

/// Files of a built `kernel_ext` that a lesson needs (see `modules/Kbuild`).
const KERNEL_EXT: [&str; 4] = [
    "modinfo.o",
    "kernel_ext.o",
    "helpers.a",
    "libkernel_ext.rmeta",
];

/// Longest name of a module, in bytes: `MODULE_NAME_LEN` of
/// [`include/linux/module.h`](srctree/include/linux/module.h) on a 64-bit kernel,
/// without the NUL.
const NAME_MAX: usize = 55;

/// Checks that make and the shell take the name of a module, that of its folder, as a word.
///
/// # Errors
///
/// Fails with the rule if the name breaks it.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    // A dash at the beginning makes a name an option of insmod.
    let is_name = name.bytes().all(is_plain) && !name.starts_with('-');
    match (1..=NAME_MAX).contains(&name.len()) && is_name {
        true => Ok(()),
        false => Err(format!(
            "the folder's name is that of a module, which has 1 to {NAME_MAX} of the letters \
             A-Z, a-z, 0-9, _ and -, no - first; rename the folder"
        )),
    }
}

/// Returns the kernel's name of the module in `NAME.ko`: kbuild replaces dashes, which the name of
/// a variable or a crate cannot have (`name-fix-token` in scripts/Makefile.lib).
pub fn kernel_name(name: &str) -> String {
    name.replace('-', "_")
}

/// A module, ready for `insmod`.
#[derive(Debug, Clone)]
pub struct Module {
    /// Name of the lesson or project whose module it is.
    pub owner: String,
    /// Name of the module's file, without `.ko`.
    pub name: String,
    /// Language of the source.
    pub language: Language,
    /// Path of the `.ko` file with line tables.
    pub path: PathBuf,
    /// Path of the same file without line tables, for the guest, which needs time to read each
    /// byte and does not use line tables.
    pub stripped: PathBuf,
}

impl Module {
    /// Returns the name that the kernel has for the module: it replaces dashes.
    pub fn kernel_name(&self) -> String {
        kernel_name(&self.name)
    }
}

/// A request for the modules of one owner in one language.
#[derive(Debug, Clone, Copy)]
pub enum ModuleRequest<'a> {
    /// The module of the lesson, race or tool of the clone with this name.
    Own(&'a str, Language),
    /// The modules of a project.
    Project(&'a Project, Language),
}

impl<'a> ModuleRequest<'a> {
    /// Returns the name of the owner, and the language.
    fn of(&self) -> (&'a str, Language) {
        match *self {
            Self::Own(name, language) => (name, language),
            Self::Project(project, language) => (&project.name, language),
        }
    }
}

/// The modules that were requested.
#[derive(Debug, Clone, Default)]
pub struct ModuleSet {
    /// The modules that the cache has or that were built; those of a project in the order in
    /// which they can be loaded.
    pub modules: Vec<Module>,
    /// The owners whose modules could not be built.
    pub unbuilt: Vec<UnbuiltModule>,
    /// The other files for the guests of projects, with the names of these.
    pub files: Vec<(String, GuestFile)>,
    /// The warnings about projects.
    pub warnings: Vec<ProjectWarnings>,
}

/// The compiler's warnings about a project, and kmodlab's notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectWarnings {
    /// Name of the project.
    pub name: String,
    /// Language of the source.
    pub language: Language,
    /// The warnings.
    pub text: String,
}

impl ProjectWarnings {
    /// Returns the notes on calls that can only fail in this kernel.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let notes = self.text.lines().filter(|line| off_options::is_note(line));
        notes.map(str::to_owned)
    }
}

/// Returns the modules of `requested` for `image`; builds those that the cache does not have. A
/// module that cannot be built does not stop the others.
///
/// # Errors
///
/// Fails if the cache cannot be used, or if kbuild fails and names no module as the reason.
pub fn build(
    session: &Session,
    toolchain: &Toolchain,
    image: &KernelImage,
    requested: &[ModuleRequest<'_>],
) -> Result<ModuleSet> {
    let builder = ModuleBuilder::new(session, toolchain, image);
    let stage = session.ui.stage("modules");
    // A folder with several texts requests its modules for each.
    let mut known = HashSet::new();
    let requested = requested.iter().copied();
    let requested: Vec<ModuleRequest<'_>> = requested.filter(|it| known.insert(it.of())).collect();
    let own = requested.iter().filter_map(|request| match *request {
        ModuleRequest::Own(name, language) => Some((name, language)),
        ModuleRequest::Project(..) => None,
    });
    let (mut set, mut compiled) = own_modules(&builder, &stage, own)?;
    let answers = requested.iter().filter_map(|request| match *request {
        ModuleRequest::Project(project, language) if project.is_answer => Some((project, language)),
        _ => None,
    });
    let answers: Vec<(&Project, Language)> = answers.collect();
    let batched = builder.answers(&stage, &answers);
    compiled += batched.map_err(|error| session.cache.explain_full_disk(error))?;
    let projects = || {
        requested.iter().filter_map(|request| match *request {
            ModuleRequest::Project(project, _) => Some(project),
            ModuleRequest::Own(..) => None,
        })
    };
    for request in &requested {
        if let ModuleRequest::Project(project, language) = *request {
            let others: Vec<&Project> = projects()
                .filter(|other| !std::ptr::eq(*other, project))
                .collect();
            match builder.project(&stage, project, language, &others)? {
                Ok(built) => {
                    match builder.guest_files(project, language, &built.modules)? {
                        Ok(files) => {
                            let owned = |file| (project.name.clone(), file);
                            set.files.extend(files.into_iter().map(owned));
                        }
                        Err(unbuilt) => {
                            set.unbuilt.push(unbuilt);
                            continue;
                        }
                    }
                    compiled += if built.compiled {
                        built.modules.len()
                    } else {
                        0
                    };
                    set.modules.extend(built.modules);
                    if !built.warnings.is_empty() {
                        set.warnings.push(ProjectWarnings {
                            name: project.name.clone(),
                            language,
                            text: built.warnings,
                        });
                    }
                }
                Err(unbuilt) => set.unbuilt.push(unbuilt),
            }
        }
    }
    let ModuleSet {
        modules, unbuilt, ..
    } = &set;
    let mut bytes = 0;
    for module in modules {
        bytes += std::fs::metadata(&module.path)
            .with_context(|| format!("cannot look at {}", module.path.display()))?
            .len();
    }
    let not_built = match unbuilt.len() {
        0 => String::new(),
        count => format!(", {count} not built"),
    };
    stage.done(
        compiled == 0 && unbuilt.is_empty(),
        format!(
            "{} ({compiled} compiled{not_built}), {}",
            modules
                .iter()
                .filter(|module| module.name != TRACKER)
                .count(),
            crate::ui::size(bytes)
        ),
    );
    Ok(set)
}

/// Returns the modules of lessons, races and tools, and the number of those that were compiled.
fn own_modules<'a>(
    builder: &ModuleBuilder<'_>,
    stage: &Stage<'_>,
    requested: impl Iterator<Item = (&'a str, Language)>,
) -> Result<(ModuleSet, usize)> {
    let cache = &builder.session.cache;
    let mut set = ModuleSet::default();
    let mut missing: Vec<(&str, Language, Key)> = Vec::new();
    for (name, language) in requested {
        let key = match builder.lesson_key(name, language) {
            Ok(key) => key,
            Err(error) => {
                set.unbuilt.push(UnbuiltModule::new(name, language, &error));
                continue;
            }
        };
        let entry = entry_name(name, language);
        let found = cache.find("modules", &entry, &key, Parts::All)?;
        let is_missing = found.is_none();
        let folder = found.unwrap_or_else(|| cache.path("modules", &entry, &key));
        set.modules.push(Module {
            owner: name.to_owned(),
            name: name.to_owned(),
            language,
            path: folder.join(format!("{name}.ko")),
            stripped: folder.join(STRIPPED).join(format!("{name}.ko")),
        });
        if is_missing {
            missing.push((name, language, key));
        }
    }
    let mut refused = 0;
    for language in [Language::Rust, Language::C] {
        let missing: Vec<(&str, &Key)> = missing
            .iter()
            .filter(|(_, of, _)| *of == language)
            .map(|(name, _, key)| (*name, key))
            .collect();
        if !missing.is_empty() {
            let unbuilt = builder
                .lessons(stage, language, &missing)
                .map_err(|error| cache.explain_full_disk(error))?;
            refused += unbuilt.len();
            set.unbuilt.extend(unbuilt);
        }
    }
    let ModuleSet {
        modules, unbuilt, ..
    } = &mut set;
    modules.retain(|module| !unbuilt.iter().any(|unbuilt| unbuilt.is(module)));
    let lessons = missing.iter().filter(|(name, _, _)| *name != TRACKER);
    Ok((set, lessons.count().saturating_sub(refused)))
}

/// Returns the name of the folder of an owner's modules in the cache, without the key.
fn entry_name(owner: &str, language: Language) -> String {
    format!("{owner}-{language}")
}
