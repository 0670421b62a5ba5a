//! Links between the clone's files become links between the book's pages.

use std::collections::HashMap;

use pulldown_cmark::{Event, Options, Parser, Tag};

/// Where the clone's files are in the book.
#[derive(Debug, Default)]
pub struct PageMap {
    /// The page of a file, by its path in the clone.
    pages: HashMap<String, PageTarget>,
    /// The address of the repository on the web, for files that are not in the book.
    repository: Option<String>,
}

/// A place in the book.
#[derive(Debug, Clone)]
struct PageTarget {
    /// The page's path in the book, with the extension `md`.
    page: String,
    /// The anchor of the file in that page, if the page has several files.
    anchor: Option<String>,
}

impl PageMap {
    /// Returns an empty map. Files that have no page are linked to `repository`, if it is given.
    pub fn new(repository: Option<&str>) -> Self {
        Self {
            pages: HashMap::new(),
            repository: repository.map(|address| address.trim_end_matches('/').to_owned()),
        }
    }

    /// Notes that the file `path` is on `page`, at `anchor` if it is not the whole page.
    pub fn add(&mut self, path: &str, page: &str, anchor: Option<&str>) {
        let target = PageTarget {
            page: page.to_owned(),
            anchor: anchor.map(str::to_owned),
        };
        self.pages.insert(path.to_owned(), target);
    }

    /// Returns the link from the page `from` to the file `path`, which may end in `#anchor`; none
    /// if the file has no page and no repository is known.
    pub fn link(&self, from: &str, path: &str) -> Option<String> {
        let (path, anchor) = match path.split_once('#') {
            Some((path, anchor)) => (path, Some(anchor)),
            None => (path, None),
        };
        let Some(target) = self.pages.get(path) else {
            let repository = self.repository.as_ref()?;
            return Some(format!("{repository}/blob/main/{path}"));
        };
        let up = "../".repeat(from.matches('/').count());
        let anchor = anchor.or(target.anchor.as_deref());
        let anchor = anchor.map_or_else(String::new, |anchor| format!("#{anchor}"));
        Some(format!("{up}{}{anchor}", target.page))
    }

    /// Returns the markdown of the file `path` with the links that the page `page` needs. A link to
    /// a file without a page becomes plain text.
    pub fn rewrite(&self, markdown: &str, path: &str, page: &str) -> String {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut out = String::new();
        let mut copied = 0;
        for (event, range) in Parser::new_ext(markdown, Options::ENABLE_TABLES).into_offset_iter() {
            let Event::Start(Tag::Link { dest_url, .. }) = event else {
                continue;
            };
            let written = &markdown[range.clone()];
            if dest_url.contains("://") || dest_url.starts_with('#') || !written.starts_with('[') {
                continue;
            }
            let Some(at) = written.rfind(&format!("]({dest_url}")) else {
                continue;
            };
            out += &markdown[copied..range.start];
            copied = range.end;
            let text = &written[1..at];
            let target = join(folder, &dest_url);
            match self.link(page, &target) {
                Some(link) => out += &format!("[{text}]({link})"),
                None => out += text,
            }
        }
        out + &markdown[copied..]
    }
}

/// Returns the path that `relative` has from the clone's top folder, seen from `folder`.
fn join(folder: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_pages_or_to_the_repository_or_are_text() {
        let mut map = PageMap::new(None);
        map.add("modules/lessons/a/README.md", "lessons/a.md", None);
        map.add("modules/lessons/a/c/a.c", "lessons/a-code.md", Some("c"));
        map.add("docs/races.md", "documents/races.md", None);
        let text = "See [`a`](../a/README.md), [c](../a/c/a.c), [r](../../../docs/races.md#data-races), \
                    [out](https://example.org), [x](../../../xtask/src/lib.rs) and [here](#there).";
        assert_eq!(
            map.rewrite(text, "modules/lessons/b/README.md", "lessons/b.md"),
            "See [`a`](../lessons/a.md), [c](../lessons/a-code.md#c), \
             [r](../documents/races.md#data-races), [out](https://example.org), x and [here](#there)."
        );
        map.repository = Some("https://example.org/kmodlab".to_owned());
        assert_eq!(
            map.rewrite("[x](../xtask/lib.rs)", "docs/y.md", "documents/y.md"),
            "[x](https://example.org/kmodlab/blob/main/xtask/lib.rs)"
        );
    }

    #[test]
    fn code_is_no_link() {
        let map = PageMap::new(None);
        let text = "`[a](b)`\n\n```text\n[a](b)\n```\n";
        assert_eq!(map.rewrite(text, "README.md", "index.md"), text);
    }
}
