//! Holds a lesson's text and its module's code together.
//!
//! A Rust or C block after a comment `<!-- source: FILE -->` must be a verbatim
//! excerpt of that file of the lesson's folder: whole lines, one after the
//! other.

use std::path::Path;

use anyhow::Result;
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use crate::failure::Failure;

/// Checks the excerpts in the text of the lesson in `folder`; `readme` is its
/// path for messages. Returns how many there are.
pub fn check(markdown: &str, folder: &Path, readme: &Path) -> Result<usize> {
    let mut source: Option<String> = None;
    let mut block: Option<(usize, String, String)> = None;
    let mut excerpts = 0;
    for (event, range) in Parser::new(markdown).into_offset_iter() {
        match event {
            Event::Html(html) => {
                if let Some(file) = html
                    .trim()
                    .strip_prefix("<!-- source:")
                    .and_then(|rest| rest.strip_suffix("-->"))
                {
                    source = Some(file.trim().to_owned());
                }
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let file = source
                    .take()
                    .filter(|_| matches!(info.trim(), "rust" | "c"));
                let line = 1 + markdown[..range.start].matches('\n').count();
                block = file.map(|file| (line, file, String::new()));
            }
            Event::Text(text) => {
                if let Some((_, _, code)) = &mut block {
                    code.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some((line, file, code)) = block.take() {
                    excerpts += 1;
                    find(&code, &folder.join(&file)).map_err(|what| {
                        Failure::lesson(format!(
                            "{}:{line}: this block is no excerpt of {file}: {what}",
                            readme.display()
                        ))
                    })?;
                }
            }
            // The comment counts for the next block only.
            Event::Start(Tag::Paragraph | Tag::Heading { .. }) => source = None,
            _ => {}
        }
    }
    Ok(excerpts)
}

/// Is `code` some lines of the file, one after the other? If not, why not.
fn find(code: &str, file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read it: {error}"))?;
    let (code, text): (Vec<&str>, Vec<&str>) = (code.lines().collect(), text.lines().collect());
    // The place where most lines agree tells what to say.
    let agree = (0..text.len())
        .map(|at| {
            let pairs = text[at..].iter().zip(&code);
            pairs.take_while(|(a, b)| a == b).count()
        })
        .max()
        .unwrap_or(0);
    match code.get(agree) {
        None => Ok(()),
        Some(line) if agree == 0 => Err(format!("the file has no line `{line}`")),
        Some(line) => Err(format!("in the file, `{line}` does not follow")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_whole_lines_in_a_row() -> Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("x.rs"), "a\n    b\n\nc\na\nd\n")?;
        let check = |code: &str| {
            let markdown = format!("text\n\n<!-- source: x.rs -->\n```rust\n{code}\n```\n");
            check(&markdown, folder.path(), Path::new("README.md")).map_err(|e| e.to_string())
        };
        assert_eq!(check("a\nd"), Ok(1));
        assert_eq!(check("    b\n\nc"), Ok(1));
        let at = "README.md:4: this block is no excerpt of x.rs: ";
        assert_eq!(check("b"), Err(format!("{at}the file has no line `b`")));
        assert_eq!(
            check("a\n    b\nc"),
            Err(format!("{at}in the file, `c` does not follow"))
        );
        std::fs::create_dir(folder.path().join("c"))?;
        std::fs::write(folder.path().join("c/x.c"), "int x;\n")?;
        let c = "<!-- source: c/x.c -->\n```c\nint y;\n```\n";
        let parted = super::check(c, folder.path(), Path::new("README.md"));
        assert!(parted.is_err_and(|error| error.to_string().contains("no line `int y;`")));
        Ok(())
    }

    #[test]
    fn other_blocks_are_not_looked_at() -> Result<()> {
        let markdown = "```rust\nx\n```\n\n<!-- source: x.rs -->\n\nText.\n\n```rust\ny\n```\n";
        assert_eq!(check(markdown, Path::new("/"), Path::new("r"))?, 0);
        Ok(())
    }
}
