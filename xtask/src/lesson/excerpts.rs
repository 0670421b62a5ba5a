//! Checks that the code in a lesson's README is the module's code.
//!
//! A Rust or C block after a comment `<!-- source: FILE -->` must consist of consecutive
//! whole lines of that file of the lesson's folder.

use std::path::Path;

use anyhow::Result;
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use crate::failure::Failure;

/// Checks the excerpts in a README and returns their number. The sources are in `folder`;
/// messages name the README as `readme`.
///
/// # Errors
///
/// Fails on the first block that is not an excerpt of its source, with the block's line.
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
                    find(&code, &folder.join(&file)).map_err(|reason| {
                        Failure::lesson(format!(
                            "{}:{line}: this block is not an excerpt of {file}: {reason}",
                            readme.display()
                        ))
                    })?;
                }
            }
            // The comment applies to the next block only.
            Event::Start(Tag::Paragraph | Tag::Heading { .. }) => source = None,
            _ => {}
        }
    }
    Ok(excerpts)
}

/// Searches `code` in a file; the error is the reason why it is not there.
fn find(code: &str, file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read it: {error}"))?;
    let (code, text): (Vec<&str>, Vec<&str>) = (code.lines().collect(), text.lines().collect());
    // The longest match determines the reason.
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
        Some(line) => Err(format!("in the file, `{line}` is not the next line")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_consecutive_whole_lines() -> Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("x.rs"), "a\n    b\n\nc\na\nd\n")?;
        let check = |code: &str| {
            let markdown = format!("text\n\n<!-- source: x.rs -->\n```rust\n{code}\n```\n");
            check(&markdown, folder.path(), Path::new("README.md")).map_err(|e| e.to_string())
        };
        assert_eq!(check("a\nd"), Ok(1));
        assert_eq!(check("    b\n\nc"), Ok(1));
        let at = "README.md:4: this block is not an excerpt of x.rs: ";
        assert_eq!(check("b"), Err(format!("{at}the file has no line `b`")));
        assert_eq!(
            check("a\n    b\nc"),
            Err(format!("{at}in the file, `c` is not the next line"))
        );
        std::fs::create_dir(folder.path().join("c"))?;
        std::fs::write(folder.path().join("c/x.c"), "int x;\n")?;
        let c = "<!-- source: c/x.c -->\n```c\nint y;\n```\n";
        let parted = super::check(c, folder.path(), Path::new("README.md"));
        assert!(parted.is_err_and(|error| error.to_string().contains("no line `int y;`")));
        Ok(())
    }

    #[test]
    fn other_blocks_are_not_checked() -> Result<()> {
        let markdown = "```rust\nx\n```\n\n<!-- source: x.rs -->\n\nText.\n\n```rust\ny\n```\n";
        assert_eq!(check(markdown, Path::new("/"), Path::new("r"))?, 0);
        Ok(())
    }
}
