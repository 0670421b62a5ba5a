//! The links of an exercise's text, which a student reads in another folder.

use std::path::Path;

use pulldown_cmark::{Event, LinkType, Parser, Tag};

/// Returns the text with links that lead to the same files from anywhere. `folder` is that of the exercise; a
/// link to a file that is not there becomes its words alone.
pub(super) fn from_anywhere(text: &str, folder: &Path) -> String {
    let links = Parser::new(text)
        .into_offset_iter()
        .filter_map(|(event, range)| match event {
            Event::Start(Tag::Link {
                link_type: LinkType::Inline,
                dest_url,
                ..
            }) => Some((dest_url, range)),
            _ => None,
        });
    let mut changed = text.to_owned();
    for (to, range) in links.collect::<Vec<_>>().into_iter().rev() {
        let is_elsewhere = to.contains(':') || to.starts_with(['#', '/']);
        let link = &text[range.clone()];
        let Some(end) = link.rfind("](").filter(|_| !is_elsewhere) else {
            continue;
        };
        let (file, anchor) = to.split_at(to.find('#').unwrap_or(to.len()));
        let file = folder.join(file).canonicalize();
        let new = match file.ok().as_deref().and_then(Path::to_str) {
            Some(file) => format!("{}](file://{}{anchor})", &link[..end], encoded(file)),
            None => link[1..end].to_owned(),
        };
        changed.replace_range(range, &new);
    }
    changed
}

/// Returns a path as a URL has it.
fn encoded(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~+,=@:".contains(&byte);
    let letters = path.bytes().map(|byte| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_same_files_from_anywhere() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().canonicalize()?.join("a clone (#1)");
        let exercise = root.join("hello/exercises/1-a");
        std::fs::create_dir_all(&exercise)?;
        std::fs::write(root.join("hello/README.md"), "")?;
        let text = "The lesson\n[`hello`](../../README.md#a-b) has it; [so\ndoes](../gone.md) [x](https://x.y/z).\n\n\
            ```console\n$ echo '[a](../../README.md)'\n```\n";
        let root = encoded(&root.display().to_string());
        assert!(root.ends_with("/a%20clone%20%28%231%29"), "{root}");
        assert_eq!(
            from_anywhere(text, &exercise),
            format!(
                "The lesson\n[`hello`](file://{root}/hello/README.md#a-b) has it; so\ndoes \
                 [x](https://x.y/z).\n\n```console\n$ echo '[a](../../README.md)'\n```\n"
            )
        );
        Ok(())
    }
}
