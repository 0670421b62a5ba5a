//! clang, lld, the LLVM tools and libclang, all of one major version.
//!
//! rustc 1.85 stands on LLVM 19, and a kernel's C and Rust go through one
//! LLVM, so that major it is. kbuild takes one folder that has all the tools
//! under their plain names.

use std::path::{Path, PathBuf};

use super::answers::{ToolAnswers, numbers, version_after};
use super::host::Host;

/// The major version of all of LLVM.
pub const MAJOR: u32 = 19;

/// The tools besides clang and ld.lld that kbuild calls.
const TOOLS: [&str; 6] = [
    "llvm-ar",
    "llvm-nm",
    "llvm-objcopy",
    "llvm-objdump",
    "llvm-readelf",
    "llvm-strip",
];

/// What of LLVM is on a machine.
#[derive(Debug, Default)]
pub struct Llvm {
    /// The folder with the tools.
    pub bin: Option<PathBuf>,
    /// The folder with libclang.
    pub lib: Option<PathBuf>,
    /// All that clang says of its version, if it is of the right major.
    pub clang: Option<String>,
    /// All that ld.lld says of its version, if it is of the right major.
    pub lld: Option<String>,
    /// True if `bin` has all the other tools.
    pub tools: bool,
    /// The version of a clang of another major, and where it is.
    pub other: Option<(String, PathBuf)>,
}

/// Looks for LLVM: where Debian, Fedora and Arch keep this major, then on the
/// search path.
pub fn find(host: &Host, answers: &mut ToolAnswers) -> Llvm {
    let mut llvm = Llvm::default();
    let kept = [
        host.at(&format!("/usr/lib/llvm-{MAJOR}/bin")),
        host.at(&format!("/usr/lib64/llvm{MAJOR}/bin")),
        host.at(&format!("/usr/lib/llvm{MAJOR}/bin")),
    ];
    for bin in kept.iter().chain(&host.path) {
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
    // Without clang, say of the others what is there already.
    let bin = llvm
        .bin
        .clone()
        .or_else(|| kept.iter().find(|bin| bin.is_dir()).cloned());
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

/// The folder with libclang that belongs to `bin`.
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
