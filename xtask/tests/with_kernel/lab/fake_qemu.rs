//! A script in the place of QEMU.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

const QEMU: &str = "qemu-system-x86_64";

/// Makes `folder` with a QEMU in it, a script that runs `script` and then becomes
/// the real QEMU, `$QEMU`. Returns a PATH that begins with the folder.
pub fn fake_qemu(folder: &Path, script: &str) -> Result<String> {
    let path = std::env::var("PATH")?;
    let real = std::env::split_paths(&path)
        .map(|folder| folder.join(QEMU))
        .find(|qemu| qemu.is_file())
        .context("no QEMU in the path")?;
    std::fs::create_dir(folder)?;
    let text = format!(
        "#!/bin/sh\nQEMU='{}'\n{script}\nexec \"$QEMU\" \"$@\"\n",
        real.display()
    );
    let own = folder.join(QEMU);
    std::fs::write(&own, text)?;
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o755))?;
    Ok(format!("{}:{path}", folder.display()))
}
