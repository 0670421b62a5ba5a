//! The guest's files, below `/` in a guest and below another folder in a test.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use kmodlab_protocol::Uptime;
use rustix::time::{ClockId, clock_gettime};

/// A guest, seen from inside.
pub struct Guest {
    root: PathBuf,
}

impl Guest {
    /// Returns the guest whose root folder is `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the path of one of its files, given as an absolute path in the guest.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Reads a file.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        std::fs::read(self.path(path)).with_context(|| format!("cannot read {path}"))
    }

    /// Writes to a file that is there, in one piece, as the files of `/proc` and `/sys` want it.
    pub fn set(&self, path: &str, value: &str) -> Result<()> {
        File::options()
            .write(true)
            .open(self.path(path))
            .and_then(|mut file| file.write_all(value.as_bytes()))
            .with_context(|| format!("cannot write {path}"))
    }

    /// Reports whether a file is there.
    pub fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// Writes a line to the kernel's log.
    pub fn log(&self, line: &str) {
        // A kernel without /dev/kmsg has no other place for it either.
        let _ = self.set("/dev/kmsg", &format!("{line}\n"));
    }

    /// Presses a key of the kernel's magic SysRq (Documentation/admin-guide/sysrq.rst).
    pub fn sysrq(&self, key: &str) {
        let _ = self.set("/proc/sysrq-trigger", key);
    }

    /// Resets the guest, which ends QEMU (`-no-reboot`). A machine without ACPI cannot be
    /// switched off. The key `b` does not wait for the other CPUs, one of which may hang.
    pub fn reset(&self) {
        self.sysrq("b");
    }

    /// Returns the kernel modules in a folder, in the order of their names.
    pub fn modules_in(&self, folder: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path(folder));
        let mut modules: Vec<PathBuf> = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension() == Some("ko".as_ref()))
            .collect();
        modules.sort();
        modules
    }

    /// Loads a kernel module.
    pub fn load(path: &Path) -> Result<()> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        rustix::system::finit_module(&file, c"", 0)
            .with_context(|| format!("cannot load {}", path.display()))
    }
}

/// Returns the time since the guest booted.
pub fn uptime() -> Uptime {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    Uptime(seconds * 1_000_000_000 + nanoseconds)
}
