//! Pages with whole sources, on which each line has an anchor.

use maud::{Escaper, html};
use std::fmt::Write as _;

use crate::clone::CodeFolder;
use crate::tabs::language;

/// Returns the path of the page with the sources of a folder.
pub fn path(folder: &CodeFolder) -> String {
    let group = match folder.path.starts_with("modules/races") {
        true => "races",
        false => "lessons",
    };
    format!("{group}/{}-code.md", folder.name)
}

/// Returns the link from `page` to a line of a folder's source. Both pages are in the same folder
/// of the book, or `page` is in another folder of the same depth.
pub fn link(folder: &CodeFolder, file: &str, line: usize, page: &str) -> String {
    let path = path(folder);
    let (group, name) = path.split_once('/').unwrap_or(("", &path));
    let start = match page.split_once('/') {
        Some((own, _)) if own == group => String::new(),
        Some(_) => format!("../{group}/"),
        None => format!("{group}/"),
    };
    format!("{start}{name}#{}-L{line}", language(file))
}

/// Returns the page with the sources of a folder.
pub fn of(folder: &CodeFolder) -> String {
    let mut page = format!("# {}: the sources\n\n", folder.name);
    for (file, text) in &folder.sources {
        let language = language(file);
        page += &format!("## {file} {{#{language}}}\n\n");
        page += &listing(text, language, language);
    }
    page
}

/// Returns a listing whose lines have the anchors `PREFIX-L1`, `PREFIX-L2` and so on.
pub fn listing(text: &str, language: &str, prefix: &str) -> String {
    let mut lines = String::new();
    for (index, line) in text.lines().enumerate() {
        let mut escaped = String::new();
        // Writing to a string does not fail.
        let _ = Escaper::new(&mut escaped).write_str(line);
        lines += &format!("<span id=\"{prefix}-L{}\">{escaped}</span>\n", index + 1);
    }
    let listing = html! {
        pre.listing {
            code class={ "language-" (language) } { (maud::PreEscaped(lines)) }
        }
    };
    listing.into_string() + "\n\n"
}
