//! Timelines of runs, from the folder of `cargo xtask test --timeline`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use xtask::failure::Failure;
use xtask::modules::Language;

use crate::clone::CodeFolder;

/// The folder of the pages with timelines, in the book.
const FOLDER: &str = "timelines";

/// The pages with timelines.
#[derive(Debug, Default)]
pub struct TimelinePages {
    folder: Option<PathBuf>,
}

impl TimelinePages {
    /// Takes the pages of a folder, or none.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if it is not a folder.
    pub fn of(folder: Option<&Path>) -> Result<Self> {
        if let Some(folder) = folder {
            ensure!(
                folder.is_dir(),
                Failure::usage(format!("--timelines: {} is not a folder", folder.display()))
            );
        }
        Ok(Self {
            folder: folder.map(Path::to_owned),
        })
    }

    /// Returns the pages with a run of a lesson, by their paths in the book: the files that become them.
    pub fn files(&self, lesson: &CodeFolder) -> Vec<(String, PathBuf)> {
        let pages = self.pages(lesson).into_iter();
        pages
            .map(|(_, name, file)| (format!("{FOLDER}/{name}"), file))
            .collect()
    }

    /// Returns the section of a lesson's page with links to its timelines; empty if there are none.
    pub fn section(&self, lesson: &CodeFolder) -> String {
        let pages = self.pages(lesson).into_iter();
        let links =
            pages.map(|(language, name, _)| format!("[{}](../{FOLDER}/{name})", language.title()));
        let links: Vec<String> = links.collect();
        match links.is_empty() {
            true => String::new(),
            false => format!(
                "\n\n## Timeline\n\nWhich thread ran when, and which woke which, in a run of this text: {}.\n",
                links.join(", ")
            ),
        }
    }

    fn pages(&self, lesson: &CodeFolder) -> Vec<(Language, String, PathBuf)> {
        let page = |language: Language| {
            let name = format!("{}-{language}.html", lesson.name);
            let file = self.folder.as_ref()?.join(&name);
            file.is_file().then_some((language, name, file))
        };
        [Language::Rust, Language::C]
            .into_iter()
            .filter_map(page)
            .collect()
    }
}
