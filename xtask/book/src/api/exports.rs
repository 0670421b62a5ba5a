//! The names that `kernel_ext` exports.

use anyhow::{Context as _, Result};
use syn::visit::Visit;

/// A name that `kernel_ext` exports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExportedName {
    /// The module of the crate, such as `kthread`.
    pub module: String,
    /// The type or trait whose function it is.
    pub owner: Option<String>,
    /// The name, with `!` if it is a macro's.
    pub name: String,
    /// The first sentence of its documentation.
    pub summary: String,
    /// The file and the line.
    pub source: (String, usize),
}

impl ExportedName {
    /// Returns the name with its module and its owner.
    pub fn title(&self) -> String {
        match &self.owner {
            Some(owner) => format!("{}::{owner}::{}", self.module, self.name),
            None if self.name.ends_with('!') => self.name.clone(),
            None => format!("{}::{}", self.module, self.name),
        }
    }
}

/// Returns the names that the sources of `kernel_ext` export, sorted.
///
/// # Errors
///
/// Fails if a source is not valid Rust.
pub fn exports(sources: &[(String, String)]) -> Result<Vec<ExportedName>> {
    let mut exports = Vec::new();
    for (path, text) in sources {
        let name = path.rsplit('/').next().unwrap_or(path);
        let module = name.trim_end_matches(".rs");
        if ["lib", "compat", "teardown"].contains(&module) {
            continue;
        }
        let parsed = syn::parse_file(text).with_context(|| path.clone())?;
        let mut found = Exports {
            module,
            file: path,
            owner: None,
            found: Vec::new(),
        };
        for item in &parsed.items {
            found.visit_item(item);
        }
        exports.extend(found.found);
    }
    exports.sort();
    Ok(exports)
}

/// Collects what a source exports.
struct Exports<'a> {
    module: &'a str,
    file: &'a str,
    owner: Option<String>,
    found: Vec<ExportedName>,
}

impl Exports<'_> {
    fn add(&mut self, name: String, attributes: &[syn::Attribute], line: usize) {
        self.found.push(ExportedName {
            module: self.module.to_owned(),
            owner: self.owner.clone(),
            name,
            summary: summary(attributes),
            source: (self.file.to_owned(), line),
        });
    }
}

impl<'ast> Visit<'ast> for Exports<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let is_public =
            |visibility: &syn::Visibility| matches!(visibility, syn::Visibility::Public(_));
        match item {
            syn::Item::Fn(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                let line = item.sig.ident.span().start().line;
                self.add(item.sig.ident.to_string(), &item.attrs, line);
            }
            syn::Item::Struct(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                let line = item.ident.span().start().line;
                self.add(item.ident.to_string(), &item.attrs, line);
            }
            syn::Item::Enum(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                let line = item.ident.span().start().line;
                self.add(item.ident.to_string(), &item.attrs, line);
            }
            syn::Item::Trait(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                let line = item.ident.span().start().line;
                self.add(item.ident.to_string(), &item.attrs, line);
                self.owner = Some(item.ident.to_string());
                for function in &item.items {
                    if let syn::TraitItem::Fn(function) = function
                        && !is_hidden(&function.attrs)
                    {
                        let line = function.sig.ident.span().start().line;
                        self.add(function.sig.ident.to_string(), &function.attrs, line);
                    }
                }
                self.owner = None;
            }
            syn::Item::Impl(item) if item.trait_.is_none() => {
                let syn::Type::Path(path) = &*item.self_ty else {
                    return;
                };
                let owner = path.path.segments.last().map(|last| last.ident.to_string());
                self.owner = owner;
                for function in &item.items {
                    if let syn::ImplItem::Fn(function) = function
                        && is_public(&function.vis)
                        && !is_hidden(&function.attrs)
                    {
                        let line = function.sig.ident.span().start().line;
                        self.add(function.sig.ident.to_string(), &function.attrs, line);
                    }
                }
                self.owner = None;
            }
            syn::Item::Macro(item) if !is_hidden(&item.attrs) => {
                let is_exported = item
                    .attrs
                    .iter()
                    .any(|attribute| attribute.path().is_ident("macro_export"));
                if let Some(name) = item.ident.as_ref().filter(|_| is_exported) {
                    let line = name.span().start().line;
                    self.add(format!("{name}!"), &item.attrs, line);
                }
            }
            _ => {}
        }
    }
}

/// Reports whether an item has `#[doc(hidden)]`.
fn is_hidden(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "hidden")
    })
}

/// Returns the first sentence of a documentation.
fn summary(attributes: &[syn::Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes {
        let syn::Meta::NameValue(value) = &attribute.meta else {
            continue;
        };
        if let (true, syn::Expr::Lit(literal)) = (value.path.is_ident("doc"), &value.value)
            && let syn::Lit::Str(line) = &literal.lit
        {
            if line.value().trim().is_empty() && !text.is_empty() {
                break;
            }
            text = format!("{text} {}", line.value().trim());
        }
    }
    let text = without_links(text.trim());
    match text.split_once(". ") {
        Some((first, _)) => first.to_owned(),
        None => text.trim_end_matches('.').to_owned(),
    }
}

/// Returns rustdoc text without its links, which lead into rustdoc's pages: `[text](target)` and
/// ``[`name`]`` become the text.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        out += before;
        let Some((label, after)) = after.split_once(']') else {
            rest = after;
            continue;
        };
        out += label;
        rest = match after
            .strip_prefix('(')
            .and_then(|target| target.split_once(')'))
        {
            Some((_, after)) => after,
            None => after,
        };
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_and_their_uses_are_found() -> Result<()> {
        let source = "/// A thread. Or so.\npub struct Thread;\nimpl Thread {\n    /// Stops [it](x).\n    \
                      pub fn stop(&self) {}\n    fn hidden(&self) {}\n}\n#[macro_export]\nmacro_rules! wait { () => {}; }\n";
        let mut found = Exports {
            module: "kthread",
            file: "kthread.rs",
            owner: None,
            found: Vec::new(),
        };
        for item in &syn::parse_file(source)?.items {
            found.visit_item(item);
        }
        let found: Vec<(String, String, usize)> = found
            .found
            .iter()
            .map(|item| (item.title(), item.summary.clone(), item.source.1))
            .collect();
        assert_eq!(found[0], ("kthread::Thread".into(), "A thread".into(), 2));
        assert_eq!(
            found[1],
            ("kthread::Thread::stop".into(), "Stops it".into(), 5)
        );
        assert_eq!(found[2].0, "wait!");
        assert_eq!(found.len(), 3);
        Ok(())
    }
}
