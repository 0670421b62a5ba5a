//! A fake host: a PATH of shell scripts, and a cache.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use xtask::cache::Cache;
use xtask::host::Host;
use xtask::session::Session;
use xtask::toolchain::answers::ToolAnswers;
use xtask::toolchain::packages::{InstallDecision, decide};
use xtask::toolchain::system::SystemTools;
use xtask::toolchain::{Requirement, requirements_on};
use xtask::ui::Ui;
use xtask::workspace::Workspace;

/// A fake host in a temporary folder.
pub struct FakeHost {
    pub folder: tempfile::TempDir,
    pub host: Host,
    pub session: Session,
}

impl FakeHost {
    /// Creates a host without any tool.
    pub fn bare() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for part in ["bin", "root", "clone/kernel-config"] {
            std::fs::create_dir_all(folder.path().join(part))?;
        }
        let host = Host {
            // The scripts themselves need a shell's usual tools.
            path: vec![folder.path().join("bin")],
            root: folder.path().join("root"),
            rustup_home: Some(folder.path().join("rustup")),
            cargo: None,
            root_user: true,
            ci: false,
            terminal: false,
        };
        let session = Session {
            workspace: Workspace::at(&folder.path().join("clone"))?,
            cache: Cache::at(&folder.path().join("cache"))?,
            ui: Ui::new(false),
            may_install: true,
            jobs: 1,
        };
        Ok(Self {
            folder,
            host,
            session,
        })
    }

    /// Creates a host with all tools except rustc.
    pub fn without_rust() -> Result<Self> {
        let fake = Self::bare()?;
        for name in ["make", "flex", "bison", "bc", "patch", "curl", "gpgv"] {
            fake.prints(&format!("bin/{name}"), name)?;
        }
        fake.prints("bin/qemu-system-x86_64", "QEMU emulator version 9.2.0")?;
        fake.prints("bin/bindgen", "bindgen 0.71.1")?;
        fake.llvm()?;
        for header in ["stdlib.h", "gelf.h"] {
            fake.file(&format!("root/usr/include/{header}"), b"")?;
        }
        fake.file("root/usr/lib64/libc.a", b"")?;
        fake.file("root/bin/busybox", &static_elf())?;
        Ok(fake)
    }

    pub fn llvm(&self) -> Result<()> {
        let bin = "root/usr/lib/llvm-19/bin";
        self.prints(&format!("{bin}/clang"), "Debian clang version 19.1.7 (3)")?;
        self.prints(&format!("{bin}/ld.lld"), "Debian LLD 19.1.7 (compatible)")?;
        for tool in ["ar", "nm", "objcopy", "objdump", "readelf", "strip"] {
            self.prints(&format!("{bin}/llvm-{tool}"), "")?;
        }
        self.file("root/usr/lib/llvm-19/lib/libclang-19.so.19", b"")
    }

    /// Writes a program that prints `text`.
    pub fn prints(&self, name: &str, text: &str) -> Result<()> {
        self.script(name, &format!("echo '{text}'"))
    }

    pub fn script(&self, name: &str, body: &str) -> Result<()> {
        self.file(name, format!("#!/bin/sh\n{body}\n").as_bytes())
    }

    /// Writes a rustc of `version` into `folder`, with the sources of its library.
    pub fn rustc(&self, folder: &str, version: &str) -> Result<()> {
        let sysroot = self.path(folder);
        self.script(
            &format!("{folder}/bin/rustc"),
            &format!(
                "case $1 in --print) echo {};; *) echo 'rustc {version} (abc 2025-02-17)';; esac",
                sysroot.display()
            ),
        )?;
        for part in ["core", "alloc"] {
            self.file(
                &format!("{folder}/lib/rustlib/src/rust/library/{part}/src/lib.rs"),
                b"",
            )?;
        }
        Ok(())
    }

    pub fn file(&self, name: &str, contents: &[u8]) -> Result<()> {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().context("a parent")?)?;
        std::fs::write(&path, contents)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the lines that a script has written to the file `calls`.
    pub fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    pub fn system(&self) -> Result<SystemTools> {
        let mut answers = ToolAnswers::load(&self.session.cache)?;
        Ok(SystemTools::find(&self.host, &mut answers))
    }

    pub fn decide(&self) -> Result<InstallDecision> {
        let system = self.system()?;
        Ok(decide(
            &self.host,
            self.session.may_install,
            &system.missing(),
        ))
    }

    pub fn requirement(&self, what: &str) -> Result<Requirement> {
        requirements_on(&self.session, &self.host)
            .into_iter()
            .find(|requirement| requirement.tool == what)
            .with_context(|| format!("no need {what}"))
    }
}

/// Returns a minimal static program: an ELF header.
pub fn static_elf() -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    bytes
}

pub fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}
