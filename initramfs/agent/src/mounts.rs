//! The file systems that every guest has.

use std::os::unix::fs::DirBuilderExt as _;

use anyhow::{Context as _, Result};
use rustix::fs::Mode;
use rustix::mount::{MountFlags, mount as mount_at};

use crate::guest::Guest;

/// File systems by name and folder. A kernel may lack one on purpose; the program that needs
/// it reports that.
const FILE_SYSTEMS: [(&str, &str); 7] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/tmp"),
    ("debugfs", "/sys/kernel/debug"),
    ("tracefs", "/sys/kernel/tracing"),
    ("devpts", "/dev/pts"),
];

/// The folders in which only the kernel can make a mount point.
const KERNEL_FOLDERS: &str = "/sys/kernel/";

/// Hides a folder behind an empty one.
pub fn hide(guest: &Guest, path: &str) -> Result<()> {
    mount_at("none", guest.path(path), "tmpfs", MountFlags::empty(), None)
        .with_context(|| format!("cannot hide {path}"))
}

/// Mounts them, and makes what busybox expects.
pub fn mount(guest: &Guest) -> Result<()> {
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    let make = |path: &str| {
        let mut folder = std::fs::DirBuilder::new();
        folder.recursive(true).mode(0o755).create(guest.path(path))
    };
    for (name, path) in FILE_SYSTEMS {
        if path.starts_with(KERNEL_FOLDERS) && !guest.has(path) {
            continue;
        }
        make(path).with_context(|| format!("cannot make {path}"))?;
        let _ = mount_at(name, guest.path(path), name, MountFlags::empty(), None);
    }
    let _ = rustix::system::sethostname(b"kmodlab");
    // `modinfo` first looks for a list of installed modules. Unless the guest brings one with the modules
    // of a project, it is empty: the modules lie in /root.
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let modules = format!("/lib/modules/{release}");
    make(&modules).with_context(|| format!("cannot make {modules}"))?;
    let list = guest.path(&modules).join("modules.dep");
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(list)
        .map(drop)
        .context("cannot write modules.dep")
}
