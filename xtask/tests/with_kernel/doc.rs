//! `cargo xtask doc`: the pages of `kernel_ext` and of the `kernel` crate.

use std::path::Path;

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
