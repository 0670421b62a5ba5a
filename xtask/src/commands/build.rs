//! `cargo xtask build`: builds the kernel, every lesson's modules and the initramfs.

use std::path::PathBuf;

use anyhow::Result;

use super::common::{Common, ConfigurationOptions, Lang};
use super::projects::{
    ProjectOptions, Selection, or_current_folder, refuse_lessons_in_another_folder,
};
use crate::failure::Failure;
use crate::lesson::BadText;
use crate::project::as_path;
use crate::{lesson, pipeline};

/// Options of `build`.
#[derive(Debug, Clone, clap::Args)]
pub struct BuildOptions {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    configuration: ConfigurationOptions,

    /// The folders with modules of your own to build, such as `.`; if left out, all lessons, or the current folder
    /// outside of a clone
    #[arg(value_name = "PATH")]
    folders: Vec<PathBuf>,
}

/// Builds what the cache does not have, and prints the times of the stages and the paths of the
/// results. A module that cannot be built and a text that cannot be tested do not stop the others.
///
/// # Errors
///
/// Fails if a stage fails, and at the end if a module could not be built or a text cannot be tested,
/// with the error of each.
pub fn run(options: &BuildOptions) -> Result<()> {
    let session = options.common.session()?;
    let mut lessons = Vec::new();
    let folders = options.folders.iter().map(|folder| as_path(folder));
    let folders: Vec<String> = folders.map(|folder| folder.display().to_string()).collect();
    if folders.is_empty() {
        refuse_lessons_in_another_folder()?;
    }
    let Selection {
        projects,
        bad_folders,
        kernel,
        ..
    } = ProjectOptions::default().select_each(&or_current_folder(&folders))?;
    let mut bad_texts: Vec<String> = bad_folders.iter().map(BadText::message).collect();
    if projects.is_empty() && !bad_texts.is_empty() {
        return Err(Failure::lesson(bad_texts.join("\n")).into());
    }
    let mut texts = Vec::new();
    for project in &projects {
        texts.extend(lesson::of_project(project, None)?);
    }
    if projects.is_empty() {
        texts = lesson::select(&session.workspace, &[])?;
    }
    for text in texts {
        match text {
            Ok(lesson) => lessons.push(lesson),
            Err(bad) => bad_texts.push(bad.message()),
        }
    }
    let prepared = pipeline::prepare(
        &session,
        &options.common.source_request_or(&kernel),
        &options.configuration.configuration(&kernel)?,
        &lessons,
        Lang::Both.languages(),
    )?;
    session.ui.summary();
    crate::outln!("kernel     {}", prepared.kernel.vmlinux().display())?;
    for module in &prepared.modules {
        crate::outln!("module     {}", module.path.display())?;
    }
    crate::outln!("initramfs  {}", prepared.initramfs.path.display())?;
    let built = prepared.all_modules();
    if bad_texts.is_empty() {
        return built;
    }
    let bad_texts = bad_texts.join("\n");
    Err(match built {
        Ok(()) => Failure::lesson(bad_texts).into(),
        Err(error) => Failure::lesson(format!("{error:#}\n\n{bad_texts}")).into(),
    })
}
