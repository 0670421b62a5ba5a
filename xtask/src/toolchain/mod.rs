//! The pinned tools that build kernels and run guests: found, or provisioned.
//!
//! None of them ends up on the host's PATH, and nothing of the host's own
//! Rust changes.

pub mod answers;
mod bindgen;
mod elf;
pub mod host;
mod llvm;
pub mod packages;
mod requirements;
mod rust;
mod rustdoc;
pub mod system;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::failure::Failure;
use crate::session::Session;
use answers::ToolAnswers;
use host::Host;
use system::SystemTools;

pub use requirements::{Requirement, RequirementState, install_all, requirements, requirements_on};
pub use rustdoc::Rustdoc;

/// Every tool that a build and a boot take, by path.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// `RUSTC=` for kbuild.
    pub rustc: PathBuf,
    /// `RUST_LIB_SRC=`: the folder `library/` of the sources of rustc.
    pub rust_lib_src: PathBuf,
    /// `BINDGEN=`.
    pub bindgen: PathBuf,
    /// `LLVM=` (with a slash at its end): the folder with clang, ld.lld, ….
    pub llvm_bin: PathBuf,
    /// `LIBCLANG_PATH=`, for bindgen.
    pub libclang: PathBuf,
    /// qemu-system-x86_64.
    pub qemu: PathBuf,
    /// A busybox that needs no library.
    pub busybox: PathBuf,
    /// The versions of all that influences a byte of a kernel or a module.
    pub identity: String,
    /// QEMU's version; it influences no byte.
    pub qemu_version: String,
}

/// Returns the cargo that runs xtask, or the first on the PATH.
pub fn cargo() -> Option<PathBuf> {
    bindgen::cargo(&Host::from_env())
}

/// The toolchain of this machine; what is missing is installed or provisioned.
pub fn provision(session: &Session) -> Result<Toolchain> {
    provision_on(session, &Host::from_env())
}

/// Installs the system packages that this machine lacks: what is needed before
/// a source can be patched.
pub fn install_packages(session: &Session) -> Result<()> {
    let mut answers = ToolAnswers::load(&session.cache)?;
    installed(session, &Host::from_env(), &mut answers)?;
    answers.save()
}

/// [`provision`] on a given machine.
pub fn provision_on(session: &Session, host: &Host) -> Result<Toolchain> {
    let mut answers = ToolAnswers::load(&session.cache)?;
    let system = installed(session, host, &mut answers)?;
    let rust = rust::provision(session, host, &mut answers)?;
    let bindgen = bindgen::provision(session, host, &mut answers)?;
    let toolchain = assemble(system, rust, bindgen);
    answers.save()?;
    toolchain.context("the toolchain is not whole; `cargo xtask doctor` says what is missing")
}

/// What the distribution has given this machine, when nothing is missing.
fn installed(session: &Session, host: &Host, answers: &mut ToolAnswers) -> Result<SystemTools> {
    let system = SystemTools::look(host, answers);
    if system.missing().is_empty() {
        return Ok(system);
    }
    packages::install(session, host, &system.missing())?;
    let system = SystemTools::look(host, answers);
    let missing = system.missing();
    if !missing.is_empty() {
        return Err(Failure::host(format!(
            "the packages are installed, but this machine still lacks:\n{}",
            packages::listed(&missing)
        ))
        .into());
    }
    Ok(system)
}

fn assemble(system: SystemTools, rust: rust::RustCompiler, bindgen: PathBuf) -> Option<Toolchain> {
    let SystemTools {
        llvm,
        qemu,
        busybox,
        found: _,
    } = system;
    let (qemu, qemu_version) = qemu?;
    let busybox = busybox?;
    let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
    let identity = [
        rust.identity,
        format!("bindgen {}", bindgen::VERSION),
        first_line(llvm.clang?),
        first_line(llvm.lld?),
    ]
    .join("\n");
    Some(Toolchain {
        rustc: rust.rustc,
        rust_lib_src: rust.library,
        bindgen,
        llvm_bin: llvm.bin?,
        libclang: llvm.lib?,
        qemu,
        busybox,
        identity,
        qemu_version,
    })
}
