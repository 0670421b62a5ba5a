//! The words of a Rust source, and what it imports.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use anyhow::Result;
use proc_macro2::{TokenStream, TokenTree};

use super::exports::ExportedName;

/// The words of a Rust source, with the punctuation that distinguishes uses.
#[derive(Debug, Default)]
pub struct SourceWords {
    /// All words.
    words: BTreeSet<String>,
    /// Words after a dot.
    methods: BTreeSet<String>,
    /// `Owner::name`.
    paths: BTreeSet<(String, String)>,
    /// Words before an exclamation mark.
    macros: BTreeSet<String>,
}

impl SourceWords {
    /// Reads a source.
    ///
    /// # Errors
    ///
    /// Fails if it is not Rust.
    pub fn of(source: &str) -> Result<Self> {
        let stream =
            TokenStream::from_str(source).map_err(|error| anyhow::anyhow!("not Rust: {error}"))?;
        let mut flat = Vec::new();
        flatten(stream, &mut flat);
        let mut found = Self::default();
        for (index, word) in flat.iter().enumerate() {
            if !word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_') {
                continue;
            }
            found.words.insert(word.clone());
            let before = |back: usize| index.checked_sub(back).map(|at| flat[at].as_str());
            if before(1) == Some(".") {
                found.methods.insert(word.clone());
            }
            if let (Some(":"), Some(":"), Some(owner)) = (before(1), before(2), before(3)) {
                found.paths.insert((owner.to_owned(), word.clone()));
            }
            if flat.get(index + 1).is_some_and(|next| next == "!") {
                found.macros.insert(word.clone());
            }
        }
        Ok(found)
    }

    /// Reports whether the source uses a name of `kernel_ext`.
    pub fn uses(&self, item: &ExportedName) -> bool {
        if let Some(name) = item.name.strip_suffix('!') {
            return self.macros.contains(name);
        }
        match &item.owner {
            Some(owner) => {
                let path = (owner.clone(), item.name.clone());
                let is_method = self.methods.contains(&item.name);
                self.paths.contains(&path) || (is_method && self.words.contains(&item.module))
            }
            None => self.words.contains(&item.name) && self.words.contains(&item.module),
        }
    }
}

/// Appends the words and signs of a stream, groups opened.
fn flatten(stream: TokenStream, flat: &mut Vec<String>) {
    for token in stream {
        match token {
            TokenTree::Group(group) => flatten(group.stream(), flat),
            TokenTree::Ident(word) => flat.push(word.to_string()),
            TokenTree::Punct(sign) => flat.push(sign.as_char().to_string()),
            TokenTree::Literal(_) => flat.push("\"".to_owned()),
        }
    }
}

/// Returns the paths that a Rust source imports from the `kernel` crate.
///
/// # Errors
///
/// Fails if it is not Rust.
pub fn kernel_imports(source: &str) -> Result<BTreeSet<String>> {
    let file = syn::parse_file(source)?;
    let mut paths = BTreeSet::new();
    for item in file.items {
        if let syn::Item::Use(item) = item {
            leaves(&item.tree, String::new(), &mut paths);
        }
    }
    paths.retain(|path| path.starts_with("kernel::"));
    Ok(paths)
}

fn leaves(tree: &syn::UseTree, start: String, paths: &mut BTreeSet<String>) {
    match tree {
        syn::UseTree::Path(path) => leaves(&path.tree, format!("{start}{}::", path.ident), paths),
        syn::UseTree::Name(name) if name.ident == "self" => {
            paths.insert(start.trim_end_matches("::").to_owned());
        }
        syn::UseTree::Name(name) => {
            paths.insert(format!("{start}{}", name.ident));
        }
        syn::UseTree::Rename(name) => {
            paths.insert(format!("{start}{}", name.ident));
        }
        syn::UseTree::Glob(_) => {}
        syn::UseTree::Group(group) => {
            for tree in &group.items {
                leaves(tree, start.clone(), paths);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_counts_only_where_its_module_is_named() -> Result<()> {
        let item = ExportedName {
            module: "kthread".to_owned(),
            owner: Some("Thread".to_owned()),
            name: "stop".to_owned(),
            summary: String::new(),
            source: (String::new(), 1),
        };
        let uses = |source: &str| SourceWords::of(source).map(|words| words.uses(&item));
        assert!(uses(
            "use x::kthread::Thread; fn f(t: Thread) { pr!(\"{}\", t.stop()); }"
        )?);
        assert!(uses("fn f() { Thread::stop(&x) }")?);
        assert!(!uses("fn f(t: Timer) { t.stop(); }")?);
        Ok(())
    }
}
