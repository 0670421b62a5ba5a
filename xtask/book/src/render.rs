//! mdBook turns chapters into pages.

use std::path::Path;
use std::str::FromStr as _;

use anyhow::{Context as _, Result};
use mdbook_driver::MDBook;
use mdbook_driver::config::Config;

use crate::chapters::Chapter;

const STYLE: &str = include_str!("../theme/kmodlab.css");
const SCRIPT: &str = include_str!("../theme/kmodlab.js");

/// Writes the book to the folder `out`, whose former contents are removed if they are a book.
///
/// # Errors
///
/// Fails if a file cannot be written, or if mdBook fails.
pub fn render(chapters: &[Chapter], out: &Path, repository: Option<&str>) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a folder for the book's texts")?;
    let source = folder.path().join("src");
    let mut summary = String::from("# Summary\n\n");
    for chapter in chapters {
        match chapter {
            Chapter::File { path, file } => copy(file, &source.join(path))?,
            Chapter::Part(title) => summary += &format!("\n# {title}\n\n"),
            Chapter::Page {
                path,
                title,
                depth,
                text,
            } => {
                let indent = "    ".repeat(*depth);
                summary += &format!("{indent}- [{title}]({path})\n");
                write(&source.join(path), text)?;
            }
        }
    }
    write(&source.join("SUMMARY.md"), &summary)?;
    write(&folder.path().join("kmodlab.css"), STYLE)?;
    write(&folder.path().join("kmodlab.js"), SCRIPT)?;
    let link = repository.map_or_else(String::new, |address| {
        format!("git-repository-url = \"{address}\"\n")
    });
    let config = format!(
        "[book]\ntitle = \"kmodlab\"\n\
         description = \"Linux kernel modules in Rust and in C, lesson by lesson\"\n\
         language = \"en\"\n\
         [output.html]\nadditional-css = [\"kmodlab.css\"]\nadditional-js = [\"kmodlab.js\"]\n\
         default-theme = \"light\"\npreferred-dark-theme = \"navy\"\nno-section-label = true\n{link}\
         [output.html.fold]\nenable = true\nlevel = 0\n\
         [output.html.playground]\nrunnable = false\ncopyable = true\n"
    );
    let mut config = Config::from_str(&config).context("the book's configuration")?;
    // Beside its final place, where a rename publishes it.
    let parent = out.parent().unwrap_or(out);
    std::fs::create_dir_all(parent)
        .with_context(|| format!("cannot create {}", parent.display()))?;
    let built = tempfile::tempdir_in(parent)
        .with_context(|| format!("cannot write into {}", parent.display()))?;
    config.build.build_dir = built.path().join("book");
    let book = MDBook::load_with_config(folder.path(), config).context("mdBook")?;
    book.build().context("mdBook")?;
    publish(&built.path().join("book"), out)
}

fn copy(file: &Path, to: &Path) -> Result<()> {
    make_parent(to)?;
    std::fs::copy(file, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", file.display(), to.display()))
}

fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    make_parent(path)?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Moves the finished book to `out`. A book that fails is never there, and a folder that is not a
/// book is left alone.
fn publish(book: &Path, out: &Path) -> Result<()> {
    if out.exists() {
        let is_book = out.join("toc.html").is_file() && out.join("print.html").is_file();
        let is_empty = std::fs::read_dir(out)
            .with_context(|| format!("cannot list {}", out.display()))?
            .next()
            .is_none();
        if !is_book && !is_empty {
            return Err(xtask::failure::Failure::usage(format!(
                "{} has other files than a book; give an empty folder or a new one",
                out.display()
            ))
            .into());
        }
        std::fs::remove_dir_all(out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    std::fs::rename(book, out).with_context(|| format!("cannot write {}", out.display()))
}
