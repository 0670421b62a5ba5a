//! The pipeline up to the files of a guest: each stage makes its result or takes it from the cache.

mod used;

use anyhow::{Context as _, Result};
use kmodlab_protocol::TRACKER;

use crate::cache::Parts;
use crate::failure::{Failure, Fault};
use crate::initramfs::{GuestFile, Initramfs};
use crate::kernel::source::{self, KernelSource, SourceRequest};
use crate::kernel::{Configuration, KernelImage, Profile};
use crate::key::Key;
use crate::lesson::Lesson;
use crate::modules::{
    self, Language, Module, ModuleRequest, ModuleSet, ProjectWarnings, UnbuiltModule,
};
use crate::session::Session;
use crate::toolchain::{self, Toolchain};

pub use used::{CloneResults, used_by_clone};

/// Everything that was built for guests.
#[derive(Debug, Clone)]
pub struct Built {
    /// The tools.
    pub toolchain: Toolchain,
    /// The kernel's source.
    pub source: KernelSource,
    /// The kernel.
    pub kernel: KernelImage,
    /// The base of the guests' root folder.
    pub initramfs: Initramfs,
    /// The lessons' modules, in the order of the lessons, and of languages for each.
    pub modules: Vec<Module>,
    /// The module that tracks what lessons' modules register, if there are any.
    pub tracker: Option<Module>,
    /// The modules that could not be built.
    pub unbuilt: Vec<UnbuiltModule>,
    /// The other files for the guests of projects, with the names of these.
    pub project_files: Vec<(String, GuestFile)>,
    /// The warnings about projects.
    pub warnings: Vec<ProjectWarnings>,
}

impl Built {
    /// Returns the modules of a lesson or project in one language, in the order in which they can
    /// be loaded.
    pub fn modules_of<'a>(
        &'a self,
        owner: &'a str,
        language: Language,
    ) -> impl DoubleEndedIterator<Item = &'a Module> {
        let modules = self.modules.iter();
        modules.filter(move |module| module.owner == owner && module.language == language)
    }

    /// Returns the reason why a module could not be built, if so.
    pub fn unbuilt(&self, name: &str, language: Language) -> Option<&UnbuiltModule> {
        let is_it = |unbuilt: &&UnbuiltModule| unbuilt.name == name && unbuilt.language == language;
        self.unbuilt.iter().find(is_it)
    }

    /// Returns the notes on calls in a project's source that can only fail in this kernel.
    pub fn notes_on(&self, name: &str, language: Language) -> Vec<String> {
        let is_it = |own: &&ProjectWarnings| own.name == name && own.language == language;
        let warnings = self.warnings.iter().filter(is_it);
        warnings.flat_map(ProjectWarnings::notes).collect()
    }

    /// Checks that every module was built.
    ///
    /// # Errors
    ///
    /// Fails with the errors of each module that was not. It is the lesson's fault if a source is
    /// wrong, else the host's.
    pub fn all_modules(&self) -> Result<()> {
        if self.unbuilt.is_empty() {
            return Ok(());
        }
        let messages: Vec<&str> = self.unbuilt.iter().map(|it| it.message.as_str()).collect();
        let message = messages.join("\n\n");
        let is_lessons = self.unbuilt.iter().any(|it| it.fault == Fault::Lesson);
        Err(match is_lessons {
            true => Failure::lesson(message).into(),
            false => Failure::host(message).into(),
        })
    }
}

/// Runs the stages up to the initramfs for `lessons`, on a kernel with this configuration. Builds the
/// modules of each lesson in those of the `languages` that the lesson is in; a module that cannot
/// be built does not stop the others.
///
/// # Errors
///
/// Fails if a stage fails.
pub fn prepare(
    session: &Session,
    request: &SourceRequest,
    configuration: &Configuration,
    lessons: &[Lesson],
    languages: &[Language],
) -> Result<Built> {
    let modules: Vec<ModuleRequest<'_>> = lessons
        .iter()
        .flat_map(|lesson| {
            let languages = languages.iter().filter(|language| lesson.is_in(**language));
            languages.map(|language| lesson.modules(*language))
        })
        .collect();
    prepare_modules(session, request, configuration, &modules)
}

/// Runs the stages up to the initramfs for these modules, and the tracker. A module that cannot be
/// built does not stop the others.
///
/// # Errors
///
/// Fails if a stage fails.
pub fn prepare_modules(
    session: &Session,
    request: &SourceRequest,
    configuration: &Configuration,
    modules: &[ModuleRequest<'_>],
) -> Result<Built> {
    let mut all = modules.to_vec();
    if !modules.is_empty() {
        all.push(ModuleRequest::Own(TRACKER, Language::C));
    }
    let (toolchain, source, kernel) =
        kernel_for(session, request, configuration, |toolchain, kernel| {
            modules::are_missing(session, toolchain, kernel, &all)
        })?;
    let ModuleSet {
        mut modules,
        unbuilt,
        files: project_files,
        warnings,
    } = modules::build(session, &toolchain, &kernel, &all)?;
    let tracker = modules.iter().position(|module| module.name == TRACKER);
    let tracker = tracker.map(|index| modules.remove(index));
    let initramfs = Initramfs::pack(session, &toolchain.busybox, &[])?;
    Ok(Built {
        toolchain,
        source,
        kernel,
        initramfs,
        modules,
        tracker,
        unbuilt,
        project_files,
        warnings,
    })
}

/// Parts of a kernel's source that the build of a module reads.
const MODULE_SOURCES: Parts<'_> =
    Parts::Of(&["Makefile", "arch/x86", "include", "rust", "scripts"]);

/// Runs the stages up to the kernel, from which something is compiled if `compiles` returns true
/// for the tools and the kernel. Then all files that the compilers read are checked, and the
/// stages with a damaged result run again.
///
/// # Errors
///
/// Fails if a stage or `compiles` fails.
pub fn kernel_for(
    session: &Session,
    request: &SourceRequest,
    configuration: &Configuration,
    compiles: impl Fn(&Toolchain, &KernelImage) -> Result<bool>,
) -> Result<(Toolchain, KernelSource, KernelImage)> {
    let (toolchain, source, image) = kernel(session, request, configuration)?;
    if compiles(&toolchain, &image)? {
        let cache = &session.cache;
        let are_whole = [
            cache.is_whole(&toolchain.rustc, Parts::All)?,
            cache.is_whole(&source.tree, MODULE_SOURCES)?,
            cache.is_whole(&image.objects, Parts::All)?,
        ];
        if are_whole.contains(&false) {
            return kernel(session, request, configuration);
        }
    }
    Ok((toolchain, source, image))
}

/// Runs the stages up to the kernel.
///
/// # Errors
///
/// Fails if a stage fails.
pub fn kernel(
    session: &Session,
    request: &SourceRequest,
    configuration: &Configuration,
) -> Result<(Toolchain, KernelSource, KernelImage)> {
    // An unknown kernel is refused at once, and not after minutes spent on tools.
    request.check(&session.workspace)?;
    toolchain::install_packages(session)?;
    let mut source = source::obtain(session, request)?;
    let mut toolchain = toolchain::provision(session)?;
    if !KernelImage::is_cached(session, &toolchain, &source, configuration)? {
        if !source.whole {
            source = whole_source(session, request, &source)?;
        }
        // A kernel's build reads all files, and takes minutes.
        if !session.cache.is_whole(&source.tree, Parts::All)? {
            source = source::obtain(session, request)?;
        }
        if !session.cache.is_whole(&toolchain.rustc, Parts::All)? {
            toolchain = toolchain::provision(session)?;
        }
    }
    let kernel = KernelImage::build(session, &toolchain, &source, configuration)?;
    Ok((toolchain, source, kernel))
}

/// Returns the whole tree of a kernel of which the cache has only the parts of a pack.
fn whole_source(
    session: &Session,
    request: &SourceRequest,
    part: &KernelSource,
) -> Result<KernelSource> {
    let request = SourceRequest {
        kernel: Some(part.kernel.clone()),
        source: request.source.clone(),
    };
    source::obtain_whole(session, &request).with_context(|| {
        format!(
            "the pack that was unpacked here does not have kernel {} with this profile and these \
             options, and a build needs the kernel's whole source",
            part.kernel
        )
    })
}

/// Returns the tools, and the kernel with this key from the cache; if the cache does not have it,
/// builds the requested kernel of this clone, provided that this one has the key.
///
/// # Errors
///
/// Fails if the requested kernel has another key, and if a stage fails.
pub fn kernel_with_key(
    session: &Session,
    request: &SourceRequest,
    name: &str,
    label: &str,
    key: &Key,
) -> Result<(Toolchain, KernelImage)> {
    if let Some(kernel) = KernelImage::find(&session.cache, name, label, key)? {
        return Ok((toolchain::provision(session)?, kernel));
    }
    let request = SourceRequest {
        kernel: request.kernel.clone().or_else(|| Some(name.to_owned())),
        source: request.source.clone(),
    };
    let (_, profile) = Profile::of_label(label);
    let configuration = &Configuration::from(profile);
    request.check(&session.workspace)?;
    toolchain::install_packages(session)?;
    let source = source::obtain(session, &request)?;
    let toolchain = toolchain::provision(session)?;
    let found = KernelImage::key(session, &toolchain, &source, configuration)?;
    if found != *key {
        let path = session.cache.path("kernels", label, key);
        return Err(Failure::host(format!(
            "its kernel, Linux {label} with the key {key}, is not in the cache, and the {label} \
             of this clone has the key {found}: the source, the configuration or the tools are \
             different. Replay the recording with the clone that made it, name the kernel's \
             source with --kernel-source, or copy the kernel to {}",
            path.display()
        ))
        .into());
    }
    let kernel = KernelImage::build(session, &toolchain, &source, configuration)?;
    Ok((toolchain, kernel))
}

/// Returns a module as a file in the guest's `/root`.
///
/// # Errors
///
/// Fails if the module cannot be read.
pub fn in_guest(module: &Module) -> Result<GuestFile> {
    Ok(GuestFile {
        path: format!("/root/{}.ko", module.name),
        mode: 0o644,
        contents: std::fs::read(&module.stripped)
            .with_context(|| format!("cannot read {}", module.stripped.display()))?,
    })
}
