//! The pages of `kernel_ext` and of the kernel's crate.
//!
//! This uses the kernel that `cargo xtask build` has made, and makes it if it
//! is not there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};

fn doc(workspace: &Path) -> Result<Output> {
    Ok(Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["doc", "--no-install"])
        .env("KMODLAB_WORKSPACE", workspace)
        .stdin(Stdio::null())
        .output()?)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where the links of a page lead, without the part of the page that is meant.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split(" href=\"")
        .skip(1)
        .filter_map(|rest| rest.split(['"', '#']).next())
}

#[test]
fn the_pages_lead_to_the_kernels_own() -> Result<()> {
    let output = doc(&workspace())?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    let stdout = String::from_utf8(output.stdout)?;
    let index = Path::new(stdout.trim_end());
    let folder = index.parent().context("the index is in no folder")?;
    for page in ["index.html", "kthread/struct.KThread.html"] {
        ensure!(folder.join(page).is_file(), "{page} is missing");
    }
    let page = folder.join("sync/struct.Arc.html");
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
    let folder = tempfile::tempdir()?;
    let clone = folder.path();
    for part in ["kernel-config", "initramfs", "modules"] {
        let copied = Command::new("cp")
            .arg("-r")
            .arg(workspace().join(part))
            .arg(clone)
            .status()?;
        ensure!(copied.success(), "cp failed on {part}");
    }
    let source = clone.join("modules/kernel_ext/delay.rs");
    let text = std::fs::read_to_string(&source)?;
    std::fs::write(
        &source,
        format!("{text}\n/// [`nowhere`]\npub fn f() {{}}\n"),
    )?;
    let output = doc(clone)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(1),
        "{}\n{errors}",
        output.status
    );
    ensure!(errors.contains("unresolved link to `nowhere`"), "{errors}");
    Ok(())
}
