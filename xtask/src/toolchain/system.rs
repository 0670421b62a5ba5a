//! The system tools that the host must have, and the packages that install them.

use std::path::{Path, PathBuf};

use super::answers::{ToolAnswers, numbers, version_after};
use super::elf;
use super::llvm::{self, Llvm};
use crate::host::Host;
use crate::process::programs;

/// Oldest QEMU with which virtual time on `-M microvm` was tested, that of Debian 12.
pub const QEMU_OLDEST: &str = "7.2";

/// A system tool, and the distributions' packages that install it.
///
/// The apt names are tested on a bare Debian 12 and a bare Debian 13. The dnf and pacman names are not tested: dnf's
/// follow the versioned LLVM packages of Fedora 42 and later, pacman's follow the same pattern on
/// Arch. If LLVM 19 is a distribution's only LLVM, the names of its packages have no number.
#[derive(Debug)]
pub struct Package {
    /// Name of the tool in the doctor's table.
    pub tool: &'static str,
    /// Purpose of the tool.
    pub purpose: &'static str,
    detect: Detect,
    /// Package on Debian and Ubuntu.
    pub apt: &'static str,
    /// Package on Fedora.
    pub dnf: &'static str,
    /// Package on Arch.
    pub pacman: &'static str,
}

#[derive(Debug)]
enum Detect {
    /// A program on the search path.
    Program(&'static str),
    /// A C header.
    Header(&'static str),
    /// A static library.
    Archive(&'static str),
    Clang,
    Lld,
    LlvmTools,
    Libclang,
    Qemu,
    Busybox,
}

macro_rules! packages {
    ($($tool:literal $purpose:literal $detect:expr, $apt:literal $dnf:literal $pacman:literal;)*) => {
        &[$(Package {
            tool: $tool,
            purpose: $purpose,
            detect: $detect,
            apt: $apt,
            dnf: $dnf,
            pacman: $pacman,
        }),*]
    };
}

/// The system tools for builds and guests.
#[rustfmt::skip]
pub const PACKAGES: &[Package] = packages! {
    "make"       "runs the kernel's build"        Detect::Program("make"),     "make" "make" "make";
    "flex"       "kconfig's scanner"              Detect::Program("flex"),     "flex" "flex" "flex";
    "bison"      "kconfig's parser"               Detect::Program("bison"),    "bison" "bison" "bison";
    "bc"         "the kernel's time constants"    Detect::Program("bc"),       "bc" "bc" "bc";
    "patch"      "applies our kernel patches"     Detect::Program("patch"),    "patch" "patch" "patch";
    "curl"       "downloads a kernel's source"    Detect::Program("curl"),     "curl" "curl" "curl";
    "gpgv"       "checks a kernel's signature"    Detect::Program("gpgv"),     "gpgv" "gnupg2" "gnupg";
    "libc headers" "the kernel's host programs"   Detect::Header("stdlib.h"),  "libc6-dev" "glibc-devel" "glibc";
    "static libc" "the guest's agent"             Detect::Archive("libc.a"),   "libc6-dev" "glibc-static" "glibc";
    "libelf headers" "objtool"                    Detect::Header("gelf.h"),    "libelf-dev" "elfutils-libelf-devel" "libelf";
    "clang 19"   "compiles the kernel"            Detect::Clang,               "clang-19" "clang19" "clang19";
    "lld 19"     "links the kernel"               Detect::Lld,                 "lld-19" "lld19" "lld19";
    "llvm 19"    "the kernel's ar, nm, objcopy"   Detect::LlvmTools,           "llvm-19" "llvm19" "llvm19";
    "libclang 19" "bindgen reads C with it"       Detect::Libclang,            "libclang1-19" "clang19-libs" "clang19";
    "qemu"       "runs the guest"                 Detect::Qemu,                "qemu-system-x86" "qemu-system-x86-core" "qemu-system-x86";
    "busybox"    "the guest's programs"           Detect::Busybox,             "busybox-static" "busybox" "busybox";
};

/// The result of a search for a system tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detected {
    /// A usable tool: its version, or an empty text if the version does not matter, and its path.
    Usable(String, PathBuf),
    /// A tool that cannot be used: its version or path, and the reason.
    Unusable(String),
    /// No tool.
    Absent,
}

/// The part of a toolchain that the distribution installs, as far as it is installed.
#[derive(Debug)]
pub struct SystemTools {
    /// Each tool with the result of its search, in the order of [`PACKAGES`].
    pub found: Vec<(&'static Package, Detected)>,
    /// Folders and versions of LLVM.
    pub llvm: Llvm,
    /// Path of qemu-system-x86_64, and its version.
    pub qemu: Option<(PathBuf, String)>,
    /// True if that QEMU was built with seccomp.
    pub qemu_has_sandbox: bool,
    /// Path of a statically linked busybox.
    pub busybox: Option<PathBuf>,
}

impl SystemTools {
    /// Searches all system tools; installs nothing.
    pub fn find(host: &Host, answers: &mut ToolAnswers) -> Self {
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
                    Detect::Header(name) => file(host, &INCLUDES, name),
                    Detect::Archive(name) => file(host, &LIBRARIES, name),
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
            qemu_has_sandbox: match &qemu {
                Detected::Usable(_, path) => has_sandbox(path, answers),
                _ => false,
            },
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

    /// Returns the tools that are missing or unusable.
    pub fn missing(&self) -> Vec<(&'static Package, &Detected)> {
        self.found
            .iter()
            .filter(|(_, found)| !matches!(found, Detected::Usable(..)))
            .map(|(package, found)| (*package, found))
            .collect()
    }
}

/// Folders of the C headers.
const INCLUDES: [&str; 3] = [
    "/usr/include",
    "/usr/local/include",
    "/usr/include/x86_64-linux-gnu",
];

/// Folders of the C libraries: Debian's, Fedora's and Arch's.
const LIBRARIES: [&str; 3] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"];

/// Searches the file `name` in `folders`.
fn file(host: &Host, folders: &[&str], name: &str) -> Detected {
    folders
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
            "{version} at {}; {QEMU_OLDEST} is the oldest tested version",
            path.display()
        )),
        None => Detected::Unusable(format!("{} cannot be run", path.display())),
    }
}

/// Returns whether a QEMU was built with seccomp. One that was not refuses the option.
fn has_sandbox(qemu: &Path, answers: &mut ToolAnswers) -> bool {
    answers.ask(qemu, &["-sandbox", "on", "-version"]).is_some()
}

/// Searches a statically linked busybox, because a guest has no dynamic loader.
fn busybox(host: &Host) -> Detected {
    let usual = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(|folder| host.at(folder));
    let mut dynamic = None;
    for path in programs(host.path.iter().chain(&usual).cloned(), "busybox") {
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
