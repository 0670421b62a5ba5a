//! Excerpts of sources in a text become tabs: Rust and C beside each other, each with a link to its
//! line in the whole source. The tabs need no JavaScript.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag};

use crate::clone::CodeFolder;
use crate::code_page;

/// A block of a text that a comment `<!-- source: FILE -->` marks as an excerpt.
#[derive(Debug)]
struct Excerpt {
    /// The comment and the block in the text.
    range: Range<usize>,
    /// The file, relative to the lesson's folder.
    file: String,
    /// The code.
    code: String,
}

/// Returns the text of a folder with tabs in place of its excerpts, and with `caption` below each
/// console block.
pub fn of(folder: &CodeFolder, text: &str, page: &str, caption: Option<&str>) -> String {
    let excerpts = excerpts(text);
    let mut out = String::new();
    let mut copied = 0;
    let mut groups = 0;
    let mut next = 0;
    while let Some(first) = excerpts.get(next) {
        let second = excerpts.get(next + 1).filter(|second| {
            text[first.range.end..second.range.start].trim().is_empty()
                && language(&second.file) != language(&first.file)
        });
        next += 1 + usize::from(second.is_some());
        let mut tabs = vec![(first.file.clone(), first.code.clone())];
        match second {
            Some(second) => tabs.push((second.file.clone(), second.code.clone())),
            None => tabs.extend(twin(folder, first)),
        }
        // Rust first, in every group.
        tabs.sort_by_key(|(file, _)| language(file) != "rust");
        groups += 1;
        out += &captioned(&text[copied..first.range.start], caption);
        out += &markup(folder, &tabs, page, groups);
        copied = second.unwrap_or(first).range.end;
    }
    out + &captioned(&text[copied..], caption)
}

/// Returns the language of a source, as a fenced block names it.
pub fn language(file: &str) -> &'static str {
    match file.ends_with(".rs") {
        true => "rust",
        false => "c",
    }
}

fn excerpts(text: &str) -> Vec<Excerpt> {
    let mut found = Vec::new();
    let mut comment: Option<(usize, String)> = None;
    let mut block: Option<Excerpt> = None;
    for (event, range) in Parser::new(text).into_offset_iter() {
        match event {
            Event::Html(html) => {
                let file = html.trim().strip_prefix("<!-- source:");
                let file = file.and_then(|rest| rest.strip_suffix("-->"));
                if let Some(file) = file {
                    comment = Some((range.start, file.trim().to_owned()));
                }
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => {
                block = comment.take().map(|(start, file)| Excerpt {
                    range: start..range.end,
                    file,
                    code: String::new(),
                });
            }
            Event::Text(code) => {
                if let Some(block) = &mut block {
                    block.code += &code;
                }
            }
            Event::End(pulldown_cmark::TagEnd::CodeBlock) => found.extend(block.take()),
            Event::Start(Tag::Paragraph | Tag::Heading { .. }) => comment = None,
            _ => {}
        }
    }
    found
}

/// Returns the same function in C, for an excerpt in Rust that is one function.
fn twin(folder: &CodeFolder, excerpt: &Excerpt) -> Option<(String, String)> {
    if language(&excerpt.file) != "rust" {
        return None;
    }
    let name = function_name(&excerpt.code)?;
    let file = format!("c/{}.c", folder.name);
    let code = c_function(folder.source(&file)?, &name)?;
    Some((file, code))
}

/// Returns the name of the only function in an excerpt, if it is there from its first line on.
fn function_name(code: &str) -> Option<String> {
    let mut names = code.lines().filter_map(|line| {
        let (before, rest) = line.split_once("fn ")?;
        let is_head = before.trim().is_empty() || before.trim().starts_with("pub");
        let (name, _) = rest.split_once(['(', '<'])?;
        is_head.then(|| name.to_owned())
    });
    let name = names.next()?;
    names.next().is_none().then_some(name)
}

/// Returns the C function that has the part of the Rust function `name`: `__init` for `init`,
/// `__exit` for `drop`, else the one of the same name.
fn c_function(source: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = source.lines().collect();
    let is_head = |line: &&str| {
        let is_definition = line.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && line.contains('(')
            && !line.ends_with(';');
        let words = |line: &str| -> Vec<String> {
            let split =
                line.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
            split.map(str::to_owned).collect()
        };
        let before = line.split('(').next().unwrap_or_default();
        let wanted = match name {
            "init" => "__init",
            "drop" => "__exit",
            name => name,
        };
        is_definition && words(before).iter().any(|word| word == wanted)
    };
    let first = lines.iter().position(is_head)?;
    let length = lines[first..].iter().position(|line| *line == "}")?;
    Some(lines[first..=first + length].join("\n") + "\n")
}

fn markup(folder: &CodeFolder, tabs: &[(String, String)], page: &str, group: usize) -> String {
    let mut out = String::from("<div class=\"tabs\">\n");
    for (index, (file, _)) in tabs.iter().enumerate() {
        let language = language(file);
        let id = format!("{}-{group}-{language}", folder.name);
        let title = match language {
            "rust" => "Rust",
            _ => "C",
        };
        let checked = match index {
            0 => " checked",
            _ => "",
        };
        out += &format!(
            "<input type=\"radio\" name=\"{}-{group}\" id=\"{id}\" class=\"choose-{language}\"{checked}>\
             <label for=\"{id}\">{title}</label>\n",
            folder.name
        );
    }
    for (file, code) in tabs {
        let language = language(file);
        out += &format!("<div class=\"tab tab-{language}\">\n\n```{language}\n{code}```\n\n");
        if let Some(line) = folder.source(file).and_then(|source| line_of(source, code)) {
            let (name, link) = (
                file.rsplit('/').next().unwrap_or(file),
                code_page::link(folder, file, line, page),
            );
            out += &format!("[{name}, line {line}]({link})\n\n");
        }
        out += "</div>\n";
    }
    out + "</div>\n\n"
}

/// Returns the number of the line, from 1, at which `code` begins in `source`.
fn line_of(source: &str, code: &str) -> Option<usize> {
    let at = source.find(code.trim_end_matches('\n'))?;
    Some(1 + source[..at].matches('\n').count())
}

/// Returns the text with the caption below each console block.
fn captioned(text: &str, caption: Option<&str>) -> String {
    let Some(caption) = caption else {
        return text.to_owned();
    };
    let mut out = String::new();
    let mut copied = 0;
    for (event, range) in Parser::new(text).into_offset_iter() {
        if let Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) = event
            && info.trim() == "console"
        {
            out += &text[copied..range.end];
            out += &format!("\n\n<p class=\"ran\">{caption}</p>\n\n");
            copied = range.end;
        }
    }
    out + &text[copied..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> CodeFolder {
        CodeFolder {
            name: "a".to_owned(),
            path: "modules/lessons/a".to_owned(),
            title: "a".to_owned(),
            text: String::new(),
            sources: vec![
                (
                    "a.rs".to_owned(),
                    "// one\nfn work(x: u8) {\n    go();\n}\n".to_owned(),
                ),
                (
                    "c/a.c".to_owned(),
                    "static int work(int x);\n\nstatic int work(int x)\n{\n\tgo();\n}\n\nstatic int __init a_init(void)\n{\n}\n".to_owned(),
                ),
            ],
        }
    }

    #[test]
    fn a_function_gets_its_twin_in_c() {
        let text = "Look:\n\n<!-- source: a.rs -->\n```rust\nfn work(x: u8) {\n    go();\n}\n```\n\nSo it is.\n";
        let page = of(&folder(), text, "lessons/a.md", None);
        assert!(page.starts_with("Look:\n\n<div class=\"tabs\">"), "{page}");
        assert!(
            page.contains("```c\nstatic int work(int x)\n{\n\tgo();\n}\n```"),
            "{page}"
        );
        assert!(page.contains("[a.rs, line 2](a-code.md#rust-L2)"), "{page}");
        assert!(page.contains("[a.c, line 3](a-code.md#c-L3)"), "{page}");
        assert!(page.trim_end().ends_with("So it is."), "{page}");
        assert_eq!(page.matches("<input").count(), 2);
    }

    #[test]
    fn init_and_drop_have_other_names_in_c() {
        let folder = folder();
        let source = folder.source("c/a.c").unwrap_or_default();
        let function = c_function(source, "init").unwrap_or_default();
        assert_eq!(function, "static int __init a_init(void)\n{\n}\n");
        assert_eq!(c_function(source, "drop"), None);
    }

    #[test]
    fn each_console_block_has_its_caption() {
        let text = "```console\n$ ls\n```\n\n```text\nx\n```\n";
        let page = captioned(text, Some("ran on Linux 7.3"));
        assert_eq!(
            page,
            "```console\n$ ls\n```\n\n<p class=\"ran\">ran on Linux 7.3</p>\n\n\n\n```text\nx\n```\n"
        );
    }
}
