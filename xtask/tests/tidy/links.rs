//! Links of documents lead somewhere.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use crate::{FOREIGN, files, is_in, report};

/// Returns the name that GitHub gives a heading: lower case, spaces as hyphens, no other
/// punctuation.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

/// Returns the anchors of a document's headings, and its links with their lines.
fn anchors_and_links(markdown: &str) -> (BTreeSet<String>, Vec<(usize, String)>) {
    let mut anchors = BTreeSet::new();
    let mut links = Vec::new();
    let mut heading: Option<String> = None;
    for (event, range) in Parser::new(markdown).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap_or_default());
                let again = (1..).map(|number| format!("{anchor}-{number}"));
                let mut names = std::iter::once(anchor.clone()).chain(again);
                anchors.extend(names.find(|name| !anchors.contains(name)));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                let line = 1 + markdown[..range.start].matches('\n').count();
                links.push((line, dest_url.into_string()));
            }
            _ => {}
        }
    }
    (anchors, links)
}

#[test]
fn links_lead_somewhere() -> Result<()> {
    let mut documents = BTreeMap::new();
    for (path, file) in files()? {
        if path.ends_with(".md") && !is_in(&path, FOREIGN) {
            let text = std::fs::read_to_string(&file)?;
            documents.insert(file.canonicalize()?, (path, anchors_and_links(&text)));
        }
    }
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (file, (path, (_, links))) in &documents {
        for (line, link) in links {
            if link.contains("://") {
                continue;
            }
            checked += 1;
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match target {
                "" => Ok(file.clone()),
                target => file.with_file_name(target).canonicalize(),
            };
            let Ok(target) = target else {
                wrong.push(format!("{path}:{line}: {link}: there is no such file"));
                continue;
            };
            let there =
                |(_, (anchors, _)): &(String, (BTreeSet<String>, _))| anchors.contains(anchor);
            if !anchor.is_empty() && !documents.get(&target).is_some_and(there) {
                wrong.push(format!("{path}:{line}: {link}: there is no such heading"));
            }
        }
    }
    ensure!(checked > 50, "only {checked} links found");
    report(&wrong)
}
