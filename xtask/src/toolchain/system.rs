//! What the host must have: how each thing is recognised, and which packages
//! bring it.

use std::path::PathBuf;

use super::answers::{ToolAnswers, numbers, version_after};
use super::elf;
use super::host::Host;
use super::llvm::{self, Llvm};
use crate::process::programs;

/// The oldest QEMU that virtual time on `-M microvm` was seen to work with:
/// Debian 12's. Older ones were never tried.
pub const QEMU_OLDEST: &str = "7.2";

/// One thing that a package of the host's distribution brings.
///
/// The apt names were installed and built with on a bare Debian 12. The dnf
/// and pacman names were never run: dnf's follow the versioned LLVM packages
/// that Fedora has since 42, pacman's the same pattern on Arch. Where LLVM 19
/// is the distribution's only one, its packages have no number.
#[derive(Debug)]
pub struct Package {
    /// What it is, as the table calls it.
    pub what: &'static str,
    /// What it is needed for.
    pub why: &'static str,
    detect: Detect,
    /// Its package on Debian and Ubuntu.
    pub apt: &'static str,
    /// Its package on Fedora.
    pub dnf: &'static str,
    /// Its package on Arch.
    pub pacman: &'static str,
}

#[derive(Debug)]
enum Detect {
    /// A program on the search path.
    Program(&'static str),
    /// A C header.
    Header(&'static str),
    Clang,
    Lld,
    LlvmTools,
    Libclang,
    Qemu,
    Busybox,
}

macro_rules! packages {
    ($($what:literal $why:literal $detect:expr, $apt:literal $dnf:literal $pacman:literal;)*) => {
        &[$(Package {
            what: $what,
            why: $why,
            detect: $detect,
            apt: $apt,
            dnf: $dnf,
            pacman: $pacman,
        }),*]
    };
}

/// All that a build and a boot need of the distribution.
#[rustfmt::skip]
pub const PACKAGES: &[Package] = packages! {
    "make"       "runs the kernel's build"        Detect::Program("make"),     "make" "make" "make";
    "flex"       "kconfig's scanner"              Detect::Program("flex"),     "flex" "flex" "flex";
    "bison"      "kconfig's parser"               Detect::Program("bison"),    "bison" "bison" "bison";
    "bc"         "the kernel's time constants"    Detect::Program("bc"),       "bc" "bc" "bc";
    "patch"      "applies our kernel patches"     Detect::Program("patch"),    "patch" "patch" "patch";
    "gpgv"       "checks a kernel's signature"    Detect::Program("gpgv"),     "gpgv" "gnupg2" "gnupg";
    "libc headers" "the kernel's host programs"   Detect::Header("stdlib.h"),  "libc6-dev" "glibc-devel" "glibc";
    "libelf headers" "objtool"                    Detect::Header("gelf.h"),    "libelf-dev" "elfutils-libelf-devel" "libelf";
    "clang 19"   "compiles the kernel"            Detect::Clang,               "clang-19" "clang19" "clang19";
    "lld 19"     "links the kernel"               Detect::Lld,                 "lld-19" "lld19" "lld19";
    "llvm 19"    "the kernel's ar, nm, objcopy"   Detect::LlvmTools,           "llvm-19" "llvm19" "llvm19";
    "libclang 19" "bindgen reads C with it"       Detect::Libclang,            "libclang1-19" "clang19-libs" "clang19";
    "qemu"       "runs the guest"                 Detect::Qemu,                "qemu-system-x86" "qemu-system-x86-core" "qemu-system-x86";
    "busybox"    "the guest's programs"           Detect::Busybox,             "busybox-static" "busybox" "busybox";
};

/// What was found of one need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detected {
    /// It is there: its version if one was asked for, and where.
    Usable(String, PathBuf),
    /// Something is there that will not do; says what and why.
    Unusable(String),
    /// Nothing is there.
    Absent,
}

/// The host's part of a toolchain, as far as it is there.
#[derive(Debug)]
pub struct SystemTools {
    /// Each need with what was found of it, in the order of [`PACKAGES`].
    pub found: Vec<(&'static Package, Detected)>,
    /// LLVM's folders and versions.
    pub llvm: Llvm,
    /// qemu-system-x86_64 and its version.
    pub qemu: Option<(PathBuf, String)>,
    /// A static busybox.
    pub busybox: Option<PathBuf>,
}

impl SystemTools {
    /// Looks for everything; changes nothing.
    pub fn look(host: &Host, answers: &mut ToolAnswers) -> Self {
        let llvm = llvm::find(host, answers);
        let qemu = qemu(host, answers);
        let busybox = busybox(host);
        let found = PACKAGES
            .iter()
            .map(|package| {
                let found = match package.detect {
                    Detect::Program(name) => host.which(name).map_or(Detected::Absent, |path| {
                        Detected::Usable(String::new(), path)
                    }),
                    Detect::Header(name) => header(host, name),
                    Detect::Clang => clang(&llvm),
                    Detect::Lld => llvm_part(&llvm, llvm.lld.as_deref(), "LLD", "ld.lld"),
                    Detect::LlvmTools if llvm.tools => Detected::Usable(
                        String::new(),
                        llvm.bin.clone().unwrap_or_default().join("llvm-ar"),
                    ),
                    Detect::LlvmTools => Detected::Absent,
                    Detect::Libclang => llvm.lib.clone().map_or(Detected::Absent, |path| {
                        Detected::Usable(String::new(), path)
                    }),
                    Detect::Qemu => qemu.clone(),
                    Detect::Busybox => busybox.clone(),
                };
                (package, found)
            })
            .collect();
        Self {
            found,
            llvm,
            qemu: match qemu {
                Detected::Usable(version, path) => Some((path, version)),
                _ => None,
            },
            busybox: match busybox {
                Detected::Usable(_, path) => Some(path),
                _ => None,
            },
        }
    }

    /// The needs that are not met.
    pub fn missing(&self) -> Vec<(&'static Package, &Detected)> {
        self.found
            .iter()
            .filter(|(_, found)| !matches!(found, Detected::Usable(..)))
            .map(|(package, found)| (*package, found))
            .collect()
    }
}

fn header(host: &Host, name: &str) -> Detected {
    [
        "/usr/include",
        "/usr/local/include",
        "/usr/include/x86_64-linux-gnu",
    ]
    .iter()
    .map(|folder| host.at(folder).join(name))
    .find(|path| path.is_file())
    .map_or(Detected::Absent, |path| {
        Detected::Usable(String::new(), path)
    })
}

fn clang(llvm: &Llvm) -> Detected {
    match (&llvm.clang, &llvm.other) {
        (None, Some((version, path))) => Detected::Unusable(format!(
            "{version} at {}; kmodlab builds with {} only",
            path.display(),
            llvm::MAJOR
        )),
        (clang, _) => llvm_part(llvm, clang.as_deref(), "clang version", "clang"),
    }
}

fn llvm_part(llvm: &Llvm, text: Option<&str>, marker: &str, name: &str) -> Detected {
    match (text.and_then(|text| version_after(text, marker)), &llvm.bin) {
        (Some(version), Some(bin)) => Detected::Usable(version, bin.join(name)),
        _ => Detected::Absent,
    }
}

fn qemu(host: &Host, answers: &mut ToolAnswers) -> Detected {
    let Some(path) = host.which("qemu-system-x86_64") else {
        return Detected::Absent;
    };
    let version = answers
        .ask(&path, &["--version"])
        .and_then(|text| version_after(&text, "version"));
    match version {
        Some(version) if numbers(&version) >= numbers(QEMU_OLDEST) => {
            Detected::Usable(version, path)
        }
        Some(version) => Detected::Unusable(format!(
            "{version} at {}; {QEMU_OLDEST} is the oldest that is known to work",
            path.display()
        )),
        None => Detected::Unusable(format!("{} does not run", path.display())),
    }
}

/// A static busybox: the guest has no dynamic loader.
fn busybox(host: &Host) -> Detected {
    let kept = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(|folder| host.at(folder));
    let mut dynamic = None;
    for path in programs(host.path.iter().chain(&kept).cloned(), "busybox") {
        if elf::is_static(&path) {
            return Detected::Usable("static".to_owned(), path);
        }
        dynamic = Some(path);
    }
    dynamic.map_or(Detected::Absent, |path| {
        Detected::Unusable(format!(
            "{} is not statically linked; the guest has no libraries",
            path.display()
        ))
    })
}
