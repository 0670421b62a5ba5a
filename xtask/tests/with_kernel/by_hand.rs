//! The lesson `hello` builds a module by hand, on the host. Its transcript cannot do that, because
//! a guest has no compiler; this does what the text says.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::lab::{original, run, xtask};

/// Returns the fenced block behind a comment of a text.
fn block<'a>(text: &'a str, comment: &str) -> Result<&'a str> {
    let (_, rest) = text.split_once(comment).context(comment.to_owned())?;
    let (_, rest) = rest.split_once("```").context("a block")?;
    let (_, rest) = rest.split_once('\n').context("a line")?;
    let (block, _) = rest.split_once("```").context("an end of the block")?;
    Ok(block)
}

#[test]
fn the_build_by_hand_leaves_the_files_that_the_text_lists() -> Result<()> {
    let text = std::fs::read_to_string(original().join("modules/lessons/hello/README.md"))?;
    let built = run(&mut xtask(original(), &["build"]))?;
    built.expect(0, &[])?;
    let kernel = built.stdout.lines().find_map(|line| {
        let path = line.strip_prefix("kernel")?.trim();
        path.strip_suffix("/vmlinux")
    });
    let kernel = kernel.context("no kernel is named")?;

    let folder = tempfile::tempdir()?;
    for name in ["first.c", "Makefile"] {
        let comment = format!("<!-- file: {name} -->");
        std::fs::write(folder.path().join(name), block(&text, &comment)?)?;
    }
    let shown = block(&text, "<!-- by hand -->")?;
    let typed = "make KERNEL=\"$K/source O=$K\"\n";
    ensure!(shown.contains(typed), "the text does not type {typed}");
    let output = Command::new("make")
        .arg(format!("KERNEL={kernel}/source O={kernel}"))
        .current_dir(folder.path())
        .output()?;
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    ensure!(output.status.success(), "{printed}");

    // Linux 6.7 has no `.module-common.o`.
    for step in shown
        .lines()
        .filter(|line| line.contains("/home/ada/first/"))
    {
        let name = step.rsplit('/').next().unwrap_or_default();
        let tool = step.split_whitespace().next().unwrap_or_default();
        let done = |line: &str| line.trim_start().starts_with(tool) && line.ends_with(name);
        ensure!(
            printed.lines().any(done) || name == ".module-common.o",
            "no step like {step:?} in:\n{printed}"
        );
    }
    // The files that the reader writes have the sizes that the text shows.
    for name in ["first.c", "Makefile"] {
        let size = std::fs::metadata(folder.path().join(name))?.len();
        let line = shown
            .lines()
            .find(|line| line.ends_with(&format!(" {name}")));
        let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
        ensure!(
            words.get(4) == Some(&&*size.to_string()),
            "{name}: {size} bytes, {line:?}"
        );
    }
    let listed = shown.lines().filter(|line| line.starts_with("-rw"));
    let listed: BTreeSet<&str> = listed.filter_map(|line| line.rsplit(' ').next()).collect();
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder.path())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            found.insert(name);
        }
    }
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(listed, found);
    ensure!(listed.len() > 5, "only {} files", listed.len());
    Ok(())
}
