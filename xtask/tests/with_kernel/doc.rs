//! `cargo xtask doc`: the pages of `kernel_ext` and of the `kernel` crate.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::lab::{TestClone, original, run, xtask};

/// Returns the targets of a page's links, without their fragments.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split(" href=\"")
        .skip(1)
        .filter_map(|rest| rest.split(['"', '#']).next())
}

#[test]
fn the_pages_lead_to_the_kernels_own() -> Result<()> {
    let ended = run(&mut xtask(original(), &["doc"]))?;
    ended.expect(0, &[])?;
    let index = Path::new(ended.stdout.trim_end());
    let folder = index.parent().context("the index is in no folder")?;
    for page in ["index.html", "kthread/struct.KThread.html"] {
        ensure!(folder.join(page).is_file(), "{page} is missing");
    }
    let page = folder.join("wait/struct.WaitQueue.html");
    let text = std::fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let at = page.parent().context("the page is in no folder")?;
    let mut into_kernel = 0;
    for link in links(&text).filter(|link| link.contains("../kernel/")) {
        ensure!(at.join(link).is_file(), "{link} leads nowhere");
        into_kernel += 1;
    }
    ensure!(into_kernel > 0, "no link leads to the kernel's pages");
    Ok(())
}

#[test]
fn a_link_that_leads_nowhere_is_an_error() -> Result<()> {
    let clone = TestClone::whole()?;
    let source = clone.path("modules/kernel_ext/delay.rs");
    let text = std::fs::read_to_string(&source)?;
    std::fs::write(
        &source,
        format!("{text}\n/// [`nowhere`]\npub fn f() {{}}\n"),
    )?;
    clone
        .run(&["doc"])?
        .expect(1, &["unresolved link to `nowhere`"])
}

/// Returns the examples in the doc comments of a source, as rustdoc would compile them:
/// with the lines that it hides.
fn examples(source: &str) -> Vec<String> {
    let mut examples = Vec::new();
    let mut example: Option<String> = None;
    for line in source.lines().map(str::trim_start) {
        let comment = line.strip_prefix("///").or(line.strip_prefix("//!"));
        let Some(comment) = comment.map(|text| text.strip_prefix(' ').unwrap_or(text)) else {
            continue;
        };
        match (&mut example, comment.starts_with("```")) {
            (None, true) => example = Some(String::new()),
            (Some(_), true) => examples.extend(example.take()),
            (Some(code), false) => {
                *code += comment.strip_prefix("# ").unwrap_or(comment);
                code.push('\n');
            }
            (None, false) => {}
        }
    }
    examples
}

/// Returns the sources in Rust in a folder and in those below it.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Each example of `kernel_ext` is a function of one module, which is built and loaded.
#[test]
fn the_examples_of_kernel_ext_compile() -> Result<()> {
    let clone = TestClone::probe("$ insmod probe.ko\n$ rmmod probe\n")?;
    let mut module = crate::lab::MODULE.to_owned();
    let mut count = 0;
    for path in sources(&clone.path("modules/kernel_ext"))? {
        for example in examples(&std::fs::read_to_string(&path)?) {
            count += 1;
            module += &format!(
                "\n// From {}.\n#[allow(dead_code, unused_must_use)]\nfn example_{count}() {{\n{example}}}\n",
                path.display()
            );
        }
    }
    ensure!(count >= 10, "{count} examples");
    clone.write_lesson("probe", "probe.rs", &module)?;
    clone
        .run(&["test", "probe", "--lang", "rust"])?
        .expect(0, &["1 passed"])
}

#[test]
fn an_example_has_its_hidden_lines() {
    let source = "/// ```\n/// f()?;\n/// # Ok(())\n/// ```\nfn f() {}\n    //! ```\n    //! g()\n    //! ```\n";
    assert_eq!(examples(source), ["f()?;\nOk(())\n", "g()\n"]);
}
