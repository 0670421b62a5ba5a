//! The book's contents: parts and pages in order.

use anyhow::Result;

use crate::clone::{CloneFiles, CodeFolder, MENDED};
use crate::links::PageMap;
use crate::ran_on::RanOn;
use crate::{api, code_page, tabs};

/// A part's title or a page.
#[derive(Debug)]
pub enum Chapter {
    /// The title of the pages that follow.
    Part(&'static str),
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

/// Returns the chapters of the book.
///
/// # Errors
///
/// Fails if a source is not valid Rust.
pub fn of(files: &CloneFiles, ran_on: &RanOn, repository: Option<&str>) -> Result<Vec<Chapter>> {
    let map = page_map(files, repository);
    let readme = map.rewrite(&files.readme, "README.md", "index.md");
    let mut chapters = vec![Chapter::page("index.md", "Introduction", 0, readme)];
    chapters.push(Chapter::Part("Lessons"));
    for lesson in &files.lessons {
        chapters.extend(folder_pages(lesson, &map, ran_on, 0));
    }
    chapters.push(Chapter::Part("Races"));
    for race in &files.races {
        let depth = usize::from(race.name.ends_with(MENDED));
        chapters.extend(folder_pages(race, &map, ran_on, depth));
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

/// Returns the pages of a folder: the text, and below it the sources.
fn folder_pages(folder: &CodeFolder, map: &PageMap, ran_on: &RanOn, depth: usize) -> Vec<Chapter> {
    let page = text_page(folder);
    let text = map.rewrite(&folder.text, &format!("{}/README.md", folder.path), &page);
    let text = tabs::of(
        folder,
        &text,
        &page,
        ran_on.sentence(&folder.name).as_deref(),
    );
    vec![
        Chapter::page(&page, &folder.title, depth, text),
        Chapter::page(
            &code_page::path(folder),
            "The sources",
            depth + 1,
            code_page::of(folder),
        ),
    ]
}

fn page_map(files: &CloneFiles, repository: Option<&str>) -> PageMap {
    let mut map = PageMap::new(repository);
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
