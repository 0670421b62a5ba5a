//! The index of functions and types, made from the sources: what `kernel_ext` has, the names of the
//! `kernel` crate and of C that lessons and races use, and who uses each.

mod c_calls;
mod exports;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use crate::clone::{CloneFiles, CodeFolder, MENDED};
use crate::links::PageMap;

use c_calls::c_calls;
use exports::exports;
use words::{SourceWords, kernel_imports};

/// The page of the index.
pub const PAGE: &str = "documents/index-of-functions.md";

/// The users of each name, and the names of each user.
#[derive(Debug, Default)]
struct Uses {
    by_name: BTreeMap<String, BTreeSet<String>>,
    by_user: BTreeMap<String, BTreeSet<String>>,
}

impl Uses {
    fn add(&mut self, name: &str, user: &str) {
        let users = self.by_name.entry(name.to_owned()).or_default();
        users.insert(user.to_owned());
        let names = self.by_user.entry(user.to_owned()).or_default();
        names.insert(name.to_owned());
    }
}

/// Returns the page of the index.
///
/// # Errors
///
/// Fails if a source is not valid Rust.
pub fn page(files: &CloneFiles, map: &PageMap) -> Result<String> {
    let exports = exports(&files.kernel_ext)?;
    let (mut of_crate, mut of_kernel, mut of_c) =
        (Uses::default(), Uses::default(), Uses::default());
    let users = files
        .folders()
        .filter(|folder| !folder.name.ends_with(MENDED));
    let users: Vec<&CodeFolder> = users.collect();
    for folder in &users {
        for (file, text) in &folder.sources {
            let path = || format!("{}/{file}", folder.path);
            if file.ends_with(".c") {
                for name in c_calls(text) {
                    of_c.add(&name, &folder.name);
                }
                continue;
            }
            let words = SourceWords::of(text).with_context(path)?;
            for item in exports.iter().filter(|item| words.uses(item)) {
                of_crate.add(&item.title(), &folder.name);
            }
            for name in kernel_imports(text).with_context(path)? {
                of_kernel.add(&name, &folder.name);
            }
        }
    }
    let link = |name: &str| {
        let folder = users.iter().find(|folder| folder.name == name);
        let link = folder.and_then(|folder| map.link(PAGE, &format!("{}/README.md", folder.path)));
        match link {
            Some(link) => format!("[`{name}`]({link})"),
            None => format!("`{name}`"),
        }
    };
    let list = |names: Option<&BTreeSet<String>>| match names {
        Some(names) => names
            .iter()
            .map(|name| link(name))
            .collect::<Vec<_>>()
            .join(", "),
        None => "no lesson and no race".to_owned(),
    };
    let mut page = String::from(
        "# Index of functions and types\n\nMade from the sources. The first three lists give for each name the lessons \
         and races that use it, the last one the names that each lesson and race uses. \
         [C functions and their Rust counterparts](c-and-rust.md) has the pairs.\n\n\
         ## The crate kernel_ext\n\n",
    );
    for item in &exports {
        let title = item.title();
        let (file, line) = &item.source;
        let source = map
            .link(PAGE, file)
            .map(|page| format!("{page}#rust-L{line}"));
        let name = match source {
            Some(source) => format!("[`{title}`]({source})"),
            None => format!("`{title}`"),
        };
        let summary = match item.summary.as_str() {
            "" => String::new(),
            summary => format!("{summary}. "),
        };
        let users = list(of_crate.by_name.get(&title));
        page += &format!("- {name}: {summary}*Used in* {users}.\n");
    }
    page += "\n## The crate kernel\n\n";
    for (name, users) in &of_kernel.by_name {
        page += &format!("- `{name}`: {}\n", list(Some(users)));
    }
    page += "\n## Functions and macros of C\n\n";
    for (name, users) in &of_c.by_name {
        page += &format!("- `{name}`: {}\n", list(Some(users)));
    }
    page += "\n## By lesson and race\n\n";
    for folder in &users {
        page += &format!("### {}\n\n", folder.name);
        let groups = [
            ("kernel_ext", &of_crate),
            ("kernel", &of_kernel),
            ("C", &of_c),
        ];
        for (title, uses) in groups {
            if let Some(names) = uses.by_user.get(&folder.name) {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                page += &format!("- {title}: {}\n", names.join(", "));
            }
        }
        page += "\n";
    }
    Ok(page)
}
