//! `cargo xtask ide`: writes the files by which editors understand a module.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::common::{Common, ConfigurationOptions};
use crate::ide::{self, ModuleCrate};
use crate::modules::{self, EditorCrates, Language, ModuleRequest};
use crate::pipeline;
use crate::project::{Project, as_path};
use crate::symbols::editor_script;

/// Options of `ide`.
#[derive(Debug, Clone, clap::Args)]
pub struct IdeOptions {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    configuration: ConfigurationOptions,

    /// The folder with the module, which the editor opens
    #[arg(value_name = "PATH", default_value = ".")]
    folder: PathBuf,
}

/// Builds the module, and writes `rust-project.json`, `compile_commands.json` and `.vscode` into its
/// folder. A module that does not compile gets the first for its sources with `module!`.
///
/// # Errors
///
/// Fails if the folder has no module or cannot be written, or if a stage fails.
pub fn run(options: &IdeOptions) -> Result<()> {
    let session = options.common.session()?;
    let folder = as_path(&options.folder);
    let project = &Project::open(&folder)?;
    let (toolchain, _, image) = pipeline::kernel_for(
        &session,
        &options.common.source_request_or(&project.kernel),
        &options.configuration.configuration(&project.kernel)?,
        |_, _| Ok(true),
    )?;
    let requests: Vec<ModuleRequest<'_>> = project
        .builds
        .iter()
        .map(|build| ModuleRequest::Project(project, build.language))
        .collect();
    let built = modules::build(&session, &toolchain, &image, &requests)?;
    for unbuilt in &built.unbuilt {
        session.ui.note(&unbuilt.message);
    }
    let mut crates = Vec::new();
    let mut compiled = Vec::new();
    for build in &project.builds {
        let sources =
            modules::compiled_sources_of(&session, &toolchain, &image, project, build.language)?;
        let roots: Vec<String> = match (sources.is_empty(), build.language) {
            (true, Language::Rust) => project.rust_roots()?,
            _ => {
                let sources = sources.iter().map(|source| source.source.clone());
                sources.filter(|source| source.ends_with(".rs")).collect()
            }
        };
        crates.extend(roots.iter().map(|root| ModuleCrate {
            name: crate_name(root),
            root: project.folder.join(root),
            uses_kernel_ext: build.uses_kernel_ext,
        }));
        compiled.extend(sources);
    }
    let symbols = editor_script(&session.cache.own(), ide::DEBUGGER_PORT)?;
    // The tasks run in the module's folder.
    let mut kernel = options.common.absolute_paths()?.kernel_args();
    kernel.extend(options.configuration.absolute_paths()?.args());
    let languages: Vec<Language> = project.builds.iter().map(|build| build.language).collect();
    let mut files = vec![
        ide::tasks(&kernel),
        ide::settings(),
        ide::extensions(&languages),
        ide::launch(&image.vmlinux(), &symbols),
    ];
    if !crates.is_empty() {
        let editor = EditorCrates::build(&session, &toolchain, &image)?;
        files.extend(ide::rust_project(&editor, &image.version, &crates)?);
    }
    let compiled = compiled.iter().map(|source| (&*project.folder, source));
    files.extend(ide::compile_commands(compiled, &image.objects)?);
    let kept = ide::write(&project.folder, &files)?;
    session.ui.summary();
    for file in &files {
        let path = folder.join(file.name);
        match kept.contains(&file.name) {
            true => crate::outln!("kept     {}", path.display())?,
            false => crate::outln!("written  {}", path.display())?,
        }
    }
    Ok(())
}

/// Returns the name of a crate, after its root.
fn crate_name(root: &str) -> String {
    let stem = Path::new(root).file_stem().unwrap_or_default();
    stem.to_string_lossy().replace('-', "_")
}
