//! The index of functions and types, made from the sources: what `kernel_ext` has, the names of the
//! `kernel` crate and of C that lessons and races use, and who uses each.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use anyhow::{Context as _, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;

use crate::clone::{CloneFiles, CodeFolder, MENDED};
use crate::links::PageMap;

/// The page of the index.
pub const PAGE: &str = "documents/index-of-functions.md";

/// Words before a parenthesis that do not name a function.
const C_KEYWORDS: [&str; 10] = [
    "if", "while", "for", "switch", "return", "sizeof", "defined", "typeof", "do", "else",
];

/// A name that `kernel_ext` exports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ExportedName {
    /// The module of the crate, such as `kthread`.
    module: String,
    /// The type or trait whose function it is.
    owner: Option<String>,
    /// The name, with `!` if it is a macro's.
    name: String,
    /// The first sentence of its documentation.
    summary: String,
    /// The file and the line.
    source: (String, usize),
}

impl ExportedName {
    fn title(&self) -> String {
        match &self.owner {
            Some(owner) => format!("{}::{owner}::{}", self.module, self.name),
            None if self.name.ends_with('!') => self.name.clone(),
            None => format!("{}::{}", self.module, self.name),
        }
    }
}

/// The words of a Rust source, with the punctuation that distinguishes uses.
#[derive(Debug, Default)]
struct SourceWords {
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
    fn of(source: &str) -> Result<Self> {
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

    fn uses(&self, item: &ExportedName) -> bool {
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

/// Returns the functions and macros that a C source calls and does not define, sorted.
fn c_calls(source: &str) -> BTreeSet<String> {
    let code = without_comments(source);
    let mut calls = BTreeSet::new();
    let mut own = BTreeSet::new();
    for line in code.lines() {
        let defines = line.trim_start().strip_prefix("#define ");
        let mut word = String::new();
        let mut previous = String::new();
        for letter in line.chars() {
            if letter.is_ascii_alphanumeric() || letter == '_' {
                word.push(letter);
                continue;
            }
            if letter == '(' && word.starts_with(|first: char| !first.is_ascii_digit()) {
                // A definition begins its line with the type.
                let is_definition = !line.starts_with(char::is_whitespace)
                    && !line.starts_with('#')
                    && !previous.is_empty();
                let is_macro = defines.is_some_and(|rest| rest.starts_with(&word));
                let names = match is_definition || is_macro {
                    true => &mut own,
                    false => &mut calls,
                };
                names.insert(word.clone());
            }
            if !word.is_empty() {
                previous = std::mem::take(&mut word);
            }
        }
    }
    calls.retain(|name| !own.contains(name) && !C_KEYWORDS.contains(&name.as_str()));
    calls
}

/// Returns C code with comments, strings and characters left out.
fn without_comments(source: &str) -> String {
    let mut out = String::new();
    let mut letters = source.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('/', Some('*')) => {
                let mut last = ' ';
                letters.next();
                for letter in letters.by_ref() {
                    if (last, letter) == ('*', '/') {
                        break;
                    }
                    if letter == '\n' {
                        out.push('\n');
                    }
                    last = letter;
                }
            }
            ('/', Some('/')) => {
                let _ = letters.by_ref().find(|letter| *letter == '\n');
                out.push('\n');
            }
            ('"' | '\'', _) => {
                let mut escaped = false;
                for inner in letters.by_ref() {
                    match inner {
                        '\\' if !escaped => escaped = true,
                        inner if inner == letter && !escaped => break,
                        _ => escaped = false,
                    }
                }
                out.push('"');
            }
            _ => out.push(letter),
        }
    }
    out
}

/// Returns the paths that a Rust source imports from the `kernel` crate.
fn kernel_imports(source: &str) -> Result<BTreeSet<String>> {
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
    let mut exports = Vec::new();
    for (path, text) in &files.kernel_ext {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_c_are_what_a_source_does_not_define() {
        let source = "/* foo(); */\n#define own(x) bar(x)\nstatic int work(int x)\n{\n\tif (x)\n\t\t\
                      pr_info(\"call me(%d)\\n\", own(x)); // baz()\n}\nmodule_init(work);\n";
        let calls: Vec<String> = c_calls(source).into_iter().collect();
        assert_eq!(calls, ["bar", "module_init", "pr_info"]);
    }

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
