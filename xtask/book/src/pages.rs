//! Checks a finished book: every link leads to a page and an anchor that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use scraper::{Html, Selector};
use xtask::failure::Failure;

/// The links and anchors of a page.
struct PageContents {
    links: BTreeSet<String>,
    anchors: BTreeSet<String>,
}

/// Checks the pages below `folder` and returns their number.
///
/// # Errors
///
/// Fails if a page cannot be read, or names each link that leads nowhere.
pub fn check(folder: &Path) -> Result<usize> {
    let mut pages = BTreeMap::new();
    let mut files = BTreeSet::new();
    read_below(folder, &mut files)?;
    for path in &files {
        if path.extension().is_some_and(|own| own == "html") {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            pages.insert(path.clone(), contents(&text)?);
        }
    }
    let mut broken = Vec::new();
    for (path, page) in &pages {
        // mdBook's page for addresses that do not exist has absolute links.
        if path.ends_with("404.html") {
            continue;
        }
        for link in &page.links {
            if !leads_somewhere(path, link, &pages, &files) {
                let path = path.strip_prefix(folder).unwrap_or(path);
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    ensure!(
        broken.is_empty(),
        Failure::lesson(format!(
            "links of the book that lead nowhere:\n    {}",
            broken.join("\n    ")
        ))
    );
    Ok(pages.len())
}

fn read_below(folder: &Path, files: &mut BTreeSet<PathBuf>) -> Result<()> {
    for entry in
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            read_below(&entry.path(), files)?;
        } else {
            files.insert(entry.path());
        }
    }
    Ok(())
}

fn contents(text: &str) -> Result<PageContents> {
    let selector = |text: &str| {
        Selector::parse(text).map_err(|error| anyhow::anyhow!("selector {text}: {error}"))
    };
    let page = Html::parse_document(text);
    let values = |selected: &Selector, name: &str| -> BTreeSet<String> {
        let elements = page.select(selected);
        let values = elements.filter_map(|element| element.value().attr(name));
        values.map(str::to_owned).collect()
    };
    let mut links = values(&selector("a[href]")?, "href");
    links.extend(values(&selector("link[href]")?, "href"));
    links.extend(values(&selector("[src]")?, "src"));
    Ok(PageContents {
        links,
        anchors: values(&selector("[id]")?, "id"),
    })
}

fn leads_somewhere(
    page: &Path,
    link: &str,
    pages: &BTreeMap<PathBuf, PageContents>,
    files: &BTreeSet<PathBuf>,
) -> bool {
    if link.contains("://") || link.starts_with("mailto:") || link.starts_with("data:") {
        return true;
    }
    let (path, anchor) = match link.split_once('#') {
        Some((path, anchor)) => (path, anchor),
        None => (link, ""),
    };
    let target = match path {
        "" => page.to_owned(),
        path => resolved(page, path),
    };
    match pages.get(&target) {
        Some(target) => anchor.is_empty() || target.anchors.contains(anchor),
        None => files.contains(&target),
    }
}

/// Returns the file that a relative link of `page` names.
fn resolved(page: &Path, link: &str) -> PathBuf {
    let mut target = page.parent().unwrap_or(page).to_owned();
    for part in link.split('/') {
        match part {
            ".." => {
                target.pop();
            }
            "." | "" => {}
            part => target.push(part),
        }
    }
    match link.ends_with('/') || link == "." {
        true => target.join("index.html"),
        false => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_link_is_found() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        write(
            "a.html",
            "<a href=\"b.html#x\">b</a> <a href=\"https://example.org\">e</a>",
        )?;
        write("b.html", "<p id=\"x\">x</p>")?;
        assert_eq!(check(folder.path())?, 2);
        write("b.html", "<p id=\"y\">x</p>")?;
        let error = check(folder.path()).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("a.html: b.html#x")));
        write("b.html", "<img src=\"c.png\"><p id=\"x\">x</p>")?;
        assert!(check(folder.path()).is_err());
        Ok(())
    }
}
