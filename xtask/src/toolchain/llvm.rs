//! clang, lld, the LLVM tools and libclang, all of one major version.
//!
//! rustc 1.85 contains LLVM 19, and the same LLVM must compile a kernel's C and Rust. kbuild takes
//! one folder that has all tools under their plain names.

use std::path::{Path, PathBuf};

use super::answers::{ToolAnswers, numbers, version_after};
use crate::host::Host;

/// Major version of LLVM.
pub const MAJOR: u32 = 19;

/// Tools that kbuild calls, besides clang and ld.lld.
const TOOLS: [&str; 6] = [
    "llvm-ar",
    "llvm-nm",
    "llvm-objcopy",
    "llvm-objdump",
    "llvm-readelf",
    "llvm-strip",
];

/// The parts of LLVM on a host.
#[derive(Debug, Default)]
pub struct Llvm {
    /// Folder with the tools.
    pub bin: Option<PathBuf>,
    /// Folder with libclang.
    pub lib: Option<PathBuf>,
    /// Output of `clang --version`, if the major version is right.
    pub clang: Option<String>,
    /// Output of `ld.lld --version`, if the major version is right.
    pub lld: Option<String>,
    /// True if `bin` has all the other tools.
    pub tools: bool,
    /// Version and path of a clang with another major version.
    pub other: Option<(String, PathBuf)>,
}

/// Searches LLVM in the folders in which Debian, Fedora and Arch install this major version, then on
/// the search path.
pub fn find(host: &Host, answers: &mut ToolAnswers) -> Llvm {
    let mut llvm = Llvm::default();
    let usual = [
        host.at(&format!("/usr/lib/llvm-{MAJOR}/bin")),
        host.at(&format!("/usr/lib64/llvm{MAJOR}/bin")),
        host.at(&format!("/usr/lib/llvm{MAJOR}/bin")),
    ];
    for bin in usual.iter().chain(&host.path) {
        let clang = bin.join("clang");
        let Some(text) = probe(answers, &clang) else {
            continue;
        };
        match version_after(&text, "clang version") {
            Some(version) if is_major(&version) => {
                llvm.clang = Some(text);
                llvm.bin = Some(bin.clone());
                break;
            }
            Some(version) if llvm.other.is_none() => llvm.other = Some((version, clang)),
            _ => {}
        }
    }
    // Without clang, report the other parts that are installed.
    let bin = llvm
        .bin
        .clone()
        .or_else(|| usual.iter().find(|bin| bin.is_dir()).cloned());
    if let Some(bin) = bin {
        llvm.lld = probe(answers, &bin.join("ld.lld"))
            .filter(|text| version_after(text, "LLD").is_some_and(|version| is_major(&version)));
        llvm.tools = TOOLS.iter().all(|tool| bin.join(tool).is_file());
        llvm.lib = libclang_beside(host, &bin);
        llvm.bin = Some(bin);
    }
    llvm
}

fn probe(answers: &mut ToolAnswers, program: &Path) -> Option<String> {
    program
        .is_file()
        .then(|| answers.ask(program, &["--version"]))?
}

fn is_major(version: &str) -> bool {
    numbers(version).first() == Some(&MAJOR)
}

/// Returns the folder with the libclang that belongs to `bin`.
fn libclang_beside(host: &Host, bin: &Path) -> Option<PathBuf> {
    let prefix = bin.parent()?;
    [
        prefix.join("lib"),
        prefix.join("lib64"),
        host.at("/usr/lib/x86_64-linux-gnu"),
    ]
    .into_iter()
    .find(|folder| has_libclang(folder))
}

fn has_libclang(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|entries| {
        entries.filter_map(Result::ok).any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // libclang.so.19.1, libclang-19.so.19; libclang-cpp is another.
            name.strip_prefix("libclang").is_some_and(|rest| {
                [
                    ".so".to_owned(),
                    format!(".so.{MAJOR}"),
                    format!("-{MAJOR}.so"),
                ]
                .iter()
                .any(|start| rest.starts_with(start.as_str()))
            })
        })
    })
}
