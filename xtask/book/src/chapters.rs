//! The book's contents: parts and pages in order.

use std::path::PathBuf;

use anyhow::Result;
use xtask::modules::Language;

use crate::clone::{CloneFiles, CodeFolder, MENDED};
use crate::links::PageMap;
use crate::ran_on::RanOn;
use crate::timelines::TimelinePages;
use crate::{api, code_page, exercises, tabs};

/// A part's title or a page.
#[derive(Debug)]
pub enum Chapter {
    /// The title of the pages that follow.
    Part(&'static str),
    /// A finished page, which is not in the table of contents.
    File {
        /// Its path in the book.
        path: String,
        /// The file that becomes it.
        file: PathBuf,
    },
    /// A page.
    Page {
        /// Its path in the book, with the extension `md`.
        path: String,
        /// Its title in the table of contents.
        title: String,
        /// How deep it is in the table of contents, from 0.
        depth: usize,
        /// Its markdown.
        text: String,
    },
}

impl Chapter {
    fn page(path: &str, title: &str, depth: usize, text: String) -> Self {
        Self::Page {
            path: path.to_owned(),
            title: title.to_owned(),
            depth,
            text,
        }
    }
}

/// Facts of runs, which the pages show beside the texts.
#[derive(Debug)]
pub struct RunFacts {
    /// The kernels on which the texts ran.
    pub ran_on: RanOn,
    /// Their timelines.
    pub timelines: TimelinePages,
}

/// Contents that a user chooses.
#[derive(Debug, Clone, Copy)]
pub struct BookContents<'a> {
    /// The repository's address on the web.
    pub repository: Option<&'a str>,
    /// Whether the solutions of the exercises have pages.
    pub solutions: bool,
}

/// Returns the chapters of the book.
///
/// # Errors
///
/// Fails if a source is not valid Rust.
pub fn of(
    files: &CloneFiles,
    facts: &RunFacts,
    contents: BookContents<'_>,
) -> Result<Vec<Chapter>> {
    let map = page_map(files, contents);
    let readme = map.rewrite(&files.readme, "README.md", "index.md");
    let mut chapters = vec![Chapter::page("index.md", "Introduction", 0, readme)];
    chapters.push(Chapter::Part("Lessons"));
    for lesson in &files.lessons {
        chapters.extend(folder_pages(files, lesson, (&map, contents), facts, 0));
    }
    chapters.push(Chapter::Part("Races"));
    for race in &files.races {
        let depth = usize::from(race.name.ends_with(MENDED));
        chapters.extend(folder_pages(files, race, (&map, contents), facts, depth));
    }
    let solved: &[_] = match contents.solutions {
        true => &files.exercises,
        false => &[],
    };
    if !solved.is_empty() {
        chapters.push(Chapter::Part("Solutions"));
    }
    for exercise in solved {
        let (page, text) = (
            exercises::solution_path(exercise),
            exercises::solution(exercise),
        );
        let title = format!("{}: {}", exercise.lesson(), exercise.task.title);
        chapters.push(Chapter::page(&page, &title, 0, text));
    }
    chapters.push(Chapter::Part("Reference"));
    chapters.push(Chapter::page(
        api::PAGE,
        "Index of functions and types",
        0,
        api::page(files, &map)?,
    ));
    for (path, text) in &files.documents {
        let page = document_page(path);
        let text = map.rewrite(text, path, &page);
        chapters.push(Chapter::page(&page, &title(&text, path), 0, text));
    }
    chapters.push(Chapter::Part("The crate kernel_ext"));
    for (path, text) in &files.kernel_ext {
        let name = path.rsplit('/').next().unwrap_or(path);
        let listing = code_page::listing(text, "rust", "rust");
        let text = format!("# {name}\n\n{listing}");
        chapters.push(Chapter::page(&crate_page(path), name, 0, text));
    }
    Ok(chapters)
}

/// Returns the pages of a folder: the text, and below it the exercises and the sources.
fn folder_pages(
    files: &CloneFiles,
    folder: &CodeFolder,
    (map, contents): (&PageMap, BookContents<'_>),
    facts: &RunFacts,
    depth: usize,
) -> Vec<Chapter> {
    let page = text_page(folder);
    let text = map.rewrite(&folder.text, &format!("{}/README.md", folder.path), &page);
    let ran_on = facts.ran_on.sentence(&folder.name);
    let text = tabs::of(folder, &text, &page, ran_on.as_deref()) + &facts.timelines.section(folder);
    let mut pages = vec![Chapter::page(&page, &folder.title, depth, text)];
    for exercise in files.exercises_of(&folder.name) {
        let (page, file) = (
            exercises::path(exercise),
            exercise.shown.join("task.md").display().to_string(),
        );
        let mut text = map.rewrite(&exercises::task(exercise), &file, &page);
        if contents.solutions {
            text += &exercises::link_to_solution(exercise);
        }
        let title = format!("Exercise: {}", exercise.task.title);
        pages.push(Chapter::page(&page, &title, depth + 1, text));
    }
    pages.push(Chapter::page(
        &code_page::path(folder),
        "The sources",
        depth + 1,
        code_page::of(folder),
    ));
    let timelines = facts.timelines.files(folder).into_iter();
    pages.extend(timelines.map(|(path, file)| Chapter::File { path, file }));
    pages
}

fn page_map(files: &CloneFiles, contents: BookContents<'_>) -> PageMap {
    let mut map = PageMap::new(contents.repository);
    map.add("README.md", "index.md", None);
    for folder in files.folders() {
        let page = text_page(folder);
        map.add(&folder.path, &page, None);
        map.add(&format!("{}/README.md", folder.path), &page, None);
        for (name, _) in &folder.sources {
            let path = format!("{}/{name}", folder.path);
            map.add(&path, &code_page::path(folder), Some(tabs::language(name)));
        }
    }
    for exercise in &files.exercises {
        let (folder, page) = (
            exercise.shown.display().to_string(),
            exercises::path(exercise),
        );
        map.add(&folder, &page, None);
        map.add(&format!("{folder}/task.md"), &page, None);
        if !contents.solutions {
            continue;
        }
        let solution = exercises::solution_path(exercise);
        let rust = exercise.answer_file(Language::Rust);
        map.add(&format!("{folder}/{rust}"), &solution, Some("rust"));
        let c = exercise.answer_file(Language::C);
        map.add(&format!("{folder}/c/{c}"), &solution, Some("c"));
    }
    for (path, _) in &files.documents {
        map.add(path, &document_page(path), None);
    }
    for (path, _) in &files.kernel_ext {
        map.add(path, &crate_page(path), None);
    }
    map
}

fn text_page(folder: &CodeFolder) -> String {
    code_page::path(folder).replace("-code.md", ".md")
}

fn document_page(path: &str) -> String {
    format!("documents/{}", path.rsplit('/').next().unwrap_or(path))
}

fn crate_page(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("kernel_ext/{}.md", name.trim_end_matches(".rs"))
}

/// Returns the first heading of a text, or its path.
fn title(text: &str, path: &str) -> String {
    let heading = text.lines().find_map(|line| line.strip_prefix("# "));
    heading.unwrap_or(path).to_owned()
}
