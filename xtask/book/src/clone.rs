//! The texts and sources of a clone that go into the book.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use xtask::failure::Failure;
use xtask::lesson::{self, Lesson};
use xtask::workspace::Workspace;

/// The suffix of a corrected version's name.
pub const MENDED: &str = "_mended";

/// The files of a clone that go into the book. Paths are relative to the clone and have slashes.
#[derive(Debug)]
pub struct CloneFiles {
    /// The folders of lessons, in the order of the table in `README.md`.
    pub lessons: Vec<CodeFolder>,
    /// The folders of races, each followed by its corrected version.
    pub races: Vec<CodeFolder>,
    /// The sources of `kernel_ext`: path and text.
    pub kernel_ext: Vec<(String, String)>,
    /// `README.md` of the clone.
    pub readme: String,
    /// The documents: path and text, in the order in which the README lists them.
    pub documents: Vec<(String, String)>,
}

/// A folder with a text, and a module in one language or two.
#[derive(Debug)]
pub struct CodeFolder {
    /// Its name, which is the module's.
    pub name: String,
    /// Its path: `modules/lessons/NAME`.
    pub path: String,
    /// The heading of its text.
    pub title: String,
    /// The text.
    pub text: String,
    /// The sources: path relative to the folder and text, Rust first.
    pub sources: Vec<(String, String)>,
}

impl CodeFolder {
    fn read(root: &Path, lesson: &Lesson) -> Result<Self> {
        let path = lesson.folder.strip_prefix(root)?.display().to_string();
        let mut sources = Vec::new();
        for name in [
            format!("{}.rs", lesson.name),
            format!("c/{}.c", lesson.name),
        ] {
            let file = lesson.folder.join(&name);
            if file.is_file() {
                sources.push((name, read(&file)?));
            }
        }
        Ok(Self {
            name: lesson.name.clone(),
            path,
            title: lesson.title.clone(),
            text: read(&lesson.text)?,
            sources,
        })
    }

    /// Returns the source with this path relative to the folder.
    pub fn source(&self, name: &str) -> Option<&str> {
        let source = self.sources.iter().find(|(own, _)| own == name);
        source.map(|(_, text)| text.as_str())
    }
}

impl CloneFiles {
    /// Reads the files of the clone.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read, or if a lesson is not in the README's table of lessons.
    pub fn read(workspace: &Workspace) -> Result<Self> {
        let root = workspace.root();
        let readme = read(&root.join("README.md"))?;
        let lessons = lesson::all(workspace)?;
        let lessons = lessons
            .iter()
            .map(|lesson| CodeFolder::read(root, lesson))
            .collect::<Result<Vec<_>>>()?;
        let races = lesson::all_races(workspace)?;
        let races = races
            .iter()
            .map(|race| CodeFolder::read(root, race))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            lessons: in_order_of(&readme, lessons)?,
            races,
            kernel_ext: texts_in(root, "modules/kernel_ext", "rs")?,
            documents: documents(root, &readme)?,
            readme,
        })
    }

    /// Returns all folders with code.
    pub fn folders(&self) -> impl Iterator<Item = &CodeFolder> {
        self.lessons.iter().chain(&self.races)
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Sorts the lessons as the README's links to them are.
fn in_order_of(readme: &str, lessons: Vec<CodeFolder>) -> Result<Vec<CodeFolder>> {
    let mut order = BTreeMap::new();
    for lesson in lessons {
        let link = format!("({}/README.md)", lesson.path);
        let at = readme.find(&link);
        ensure!(
            at.is_some(),
            Failure::lesson(format!(
                "README.md has no link to {}/README.md; the book takes the order of lessons from there",
                lesson.path
            ))
        );
        order.insert((at, lesson.name.clone()), lesson);
    }
    Ok(order.into_values().collect())
}

/// Returns the documents: those that the README lists in that order, then the others by name.
fn documents(root: &Path, readme: &str) -> Result<Vec<(String, String)>> {
    let mut found = texts_in(root, "docs", "md")?;
    // The last mention: the list of documents is the README's last section.
    let place = |path: &str| readme.rfind(&format!("({path})")).unwrap_or(usize::MAX);
    found.sort_by_key(|(path, _)| place(path));
    Ok(found)
}

/// Returns the files of a folder with this extension, sorted by name.
fn texts_in(root: &Path, folder: &str, extension: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let listed = root.join(folder);
    for entry in
        std::fs::read_dir(&listed).with_context(|| format!("cannot list {}", listed.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|own| own == extension) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            found.push((format!("{folder}/{name}"), read(&path)?));
        }
    }
    found.sort();
    Ok(found)
}
