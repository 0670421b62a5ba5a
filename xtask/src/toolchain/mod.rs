//! The pinned tools that build kernels and run guests: finds them on the host, or installs them.
//!
//! Tools in the cache are not on the host's PATH, and the host's own Rust does not change.

pub mod answers;
mod bindgen;
mod elf;
mod llvm;
pub mod packages;
mod requirements;
mod rust;
mod rustdoc;
pub mod system;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::failure::Failure;
use crate::host::Host;
use crate::session::Session;
use system::SystemTools;

pub use answers::ToolAnswers;
pub use requirements::{Requirement, RequirementState, install_all, requirements, requirements_on};
pub use rustdoc::Rustdoc;

/// The tools for the build of kernels and modules, and for guests.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// rustc: `RUSTC=` for kbuild.
    pub rustc: PathBuf,
    /// Folder `library/` of rustc's sources: `RUST_LIB_SRC=`.
    pub rust_lib_src: PathBuf,
    /// bindgen: `BINDGEN=`.
    pub bindgen: PathBuf,
    /// Folder with clang, ld.lld and others: `LLVM=`, with a slash at the end.
    pub llvm_bin: PathBuf,
    /// Folder with libclang, for bindgen: `LIBCLANG_PATH=`.
    pub libclang: PathBuf,
    /// Path of qemu-system-x86_64.
    pub qemu: PathBuf,
    /// True if this QEMU can deny itself system calls (`-sandbox`).
    pub qemu_has_sandbox: bool,
    /// Path of a statically linked busybox.
    pub busybox: PathBuf,
    /// Versions of the tools that influence a byte of a kernel or a module.
    pub identity: String,
    /// Version of QEMU, which influences no byte.
    pub qemu_version: String,
}

/// Returns the host's toolchain; installs missing packages, and puts a missing rustc or bindgen
/// into the cache.
///
/// # Errors
///
/// Fails if a tool is missing and cannot be installed.
pub fn provision(session: &Session) -> Result<Toolchain> {
    provision_on(session, &Host::from_env())
}

/// Installs the system packages that this host lacks. patch(1), which a source may need, is one of
/// them.
///
/// # Errors
///
/// Fails if a package may not or cannot be installed.
pub fn install_packages(session: &Session) -> Result<()> {
    let mut answers = ToolAnswers::load(&session.cache)?;
    installed(session, &Host::from_env(), &mut answers)?;
    answers.save()
}

/// Returns the path of QEMU, after installing the system packages that this host lacks.
///
/// # Errors
///
/// Fails if a package may not or cannot be installed.
pub fn qemu(session: &Session) -> Result<PathBuf> {
    let mut answers = ToolAnswers::load(&session.cache)?;
    let system = installed(session, &Host::from_env(), &mut answers)?;
    answers.save()?;
    let (qemu, _) = system.qemu.context("QEMU is not installed")?;
    Ok(qemu)
}

/// Returns the toolchain as [`provision`], of a given host.
///
/// # Errors
///
/// Fails as [`provision`] does.
pub fn provision_on(session: &Session, host: &Host) -> Result<Toolchain> {
    let mut answers = ToolAnswers::load(&session.cache)?;
    let system = installed(session, host, &mut answers)?;
    let rust = rust::provision(session, host, &mut answers)?;
    let bindgen = bindgen::provision(session, host, &mut answers)?;
    let toolchain = assemble(system, rust, bindgen);
    answers.save()?;
    toolchain.with_context(|| {
        let program = crate::program::name();
        format!("the toolchain is incomplete; `{program} doctor` lists what is missing")
    })
}

/// Returns the lines of a toolchain's identity that are those of the host's own packages.
///
/// # Errors
///
/// Fails if a package is missing and cannot be installed.
pub fn system_identity(session: &Session) -> Result<Vec<String>> {
    let mut answers = ToolAnswers::load(&session.cache)?;
    let system = installed(session, &Host::from_env(), &mut answers)?;
    answers.save()?;
    let texts = [system.llvm.clang, system.llvm.lld];
    Ok(texts.into_iter().flatten().map(first_line).collect())
}

fn first_line(text: String) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Returns the host's system tools; installs missing packages.
fn installed(session: &Session, host: &Host, answers: &mut ToolAnswers) -> Result<SystemTools> {
    let system = SystemTools::find(host, answers);
    if system.missing().is_empty() {
        return Ok(system);
    }
    packages::install(session, host, &system.missing())?;
    let system = SystemTools::find(host, answers);
    let missing = system.missing();
    if !missing.is_empty() {
        return Err(Failure::host(format!(
            "the packages are installed, but this host still lacks:\n{}",
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
        qemu_has_sandbox,
        busybox,
        found: _,
    } = system;
    let (qemu, qemu_version) = qemu?;
    let busybox = busybox?;
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
        qemu_has_sandbox,
        busybox,
        identity,
        qemu_version,
    })
}
