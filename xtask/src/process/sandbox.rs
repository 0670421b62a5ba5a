//! A sandbox for tools that read other people's sources: a compiler includes any file that it can
//! read, and its messages or its output then contain that file.
//!
//! Landlock (landlock(7), Linux 5.13 and later) restricts a process and all that it starts; no
//! privilege is necessary, and root is restricted too. A process can only restrict itself.
//! Therefore a third xtask between the guard and the tool does that, and becomes the tool.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Hidden first argument that makes xtask restrict itself and become a tool.
pub const SANDBOX: &str = "__sandbox";

/// Beginning of the error if the sandbox itself fails.
pub const SANDBOX_FAILED: &str = "the sandbox failed";

/// Environment variable with the files and folders that the tool may read, separated by colons.
const READABLE: &str = "SANDBOX_READABLE";

/// Environment variable by which a tool in a sandbox finds the first words of the command that
/// restricts a part of its work further:
/// `$SANDBOX_COMMAND WRITABLE… [--read READABLE…] -- PROGRAM ARG…`.
const AGAIN: &str = "SANDBOX_COMMAND";

/// The newest version of Landlock whose restrictions are asked for. A kernel with an older one
/// enforces those that it knows.
const NEWEST: ABI = ABI::V6;

/// Programs, libraries and what a dynamic loader reads, the stores of NixOS and Guix, and the list of
/// processes: objtool of Linux 7.3 reads its own limits there. Landlock does not let a process look
/// into one outside its sandbox, so only what everybody may know of others can be read there.
const SYSTEM: [&str; 12] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/nix/store",
    "/gnu/store",
    "/proc",
];

/// Devices that shell scripts and compilers read and write.
const DEVICES: [&str; 2] = ["/dev/null", "/dev/zero"];

/// Limits of each process in a sandbox, many times those that a module needs: a source for which a
/// compiler does not end, or takes all memory, gets an error message instead.
#[derive(Debug)]
pub struct CompilerLimits;

impl CompilerLimits {
    /// CPU time in seconds. rustc takes about 3 for a lesson's module.
    pub const CPU_SECONDS: u64 = 60;
    /// Memory in MiB. rustc takes 1,100.
    pub const MEMORY_MIB: u64 = 2048;
    /// The largest file in MiB.
    pub const FILE_MIB: u64 = 512;

    /// Sets the limits for this process and those that it starts. A lower limit stays.
    fn set() -> Result<()> {
        // The processes begin without a core file: its size would be that of the memory.
        for (resource, limit) in [
            (Resource::Cpu, Self::CPU_SECONDS),
            (Resource::Data, Self::MEMORY_MIB << 20),
            (Resource::Fsize, Self::FILE_MIB << 20),
            (Resource::Core, 0),
        ] {
            let old = getrlimit(resource);
            let lower = |old: Option<u64>, new: u64| Some(old.map_or(new, |old| old.min(new)));
            // One more second, in which the first signal has ended the process.
            let hard = limit.saturating_add(u64::from(resource == Resource::Cpu));
            let new = Rlimit {
                current: lower(old.current, limit),
                maximum: lower(old.maximum, hard),
            };
            setrlimit(resource, new).context("cannot limit the resources of a tool")?;
        }
        Ok(())
    }
}

/// The files that a tool may use: those of the system's programs and libraries, and these.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// The folders whose files the tool may also write. The first one is the tool's home and its
    /// temporary folder.
    pub writable: Vec<PathBuf>,
    /// Further files and folders that the tool may read.
    pub readable: Vec<PathBuf>,
}

impl Sandbox {
    /// Returns the words that start a tool in the sandbox.
    pub(super) fn command(&self) -> impl Iterator<Item = OsString> {
        let writable = self.writable.iter().map(OsString::from);
        ["/proc/self/exe", SANDBOX]
            .map(OsString::from)
            .into_iter()
            .chain(writable)
            .chain(["--".into()])
    }

    /// Returns the environment variable that the words of [`Sandbox::command`] need.
    ///
    /// # Errors
    ///
    /// Fails if a path has a colon.
    pub(super) fn variable(&self) -> Result<(&'static str, OsString)> {
        let readable = std::env::join_paths(&self.readable).context("a path with a colon")?;
        Ok((READABLE, readable))
    }
}

/// Returns true if this host's kernel has Landlock and lets this process use it.
pub fn has_landlock() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(Ruleset::create)
        .is_ok()
}

/// Restricts this process, and becomes `PROGRAM ARG…` of the arguments
/// `WRITABLE… [--read READABLE…] -- PROGRAM ARG…`.
///
/// # Errors
///
/// Fails if the arguments are incomplete, if the kernel does not restrict the process, or if the
/// program cannot be started.
pub fn sandbox(args: impl Iterator<Item = OsString>) -> Result<ExitCode> {
    Err(become_tool(args).context(SANDBOX_FAILED))
}

/// Returns only if there is an error.
fn become_tool(args: impl Iterator<Item = OsString>) -> anyhow::Error {
    match restricted(args) {
        Ok((mut tool, _own)) => {
            let error = tool.exec();
            let program = tool.get_program().display();
            anyhow::Error::new(error).context(format!("cannot run {program}"))
        }
        Err(error) => error,
    }
}

/// Restricts this process. Returns the tool, and this program's file, which the tool inherits.
fn restricted(mut args: impl Iterator<Item = OsString>) -> Result<(Command, File)> {
    let words: Vec<OsString> = args
        .by_ref()
        .take_while(|arg| arg != OsStr::new("--"))
        .collect();
    let mut words = words.split(|word| word == OsStr::new("--read"));
    let writable = words.next().unwrap_or_default();
    let home = writable.first().context("no writable folder")?;
    let mut readable: Vec<PathBuf> = std::env::var_os(READABLE)
        .map(|list| std::env::split_paths(&list).collect())
        .unwrap_or_default();
    readable.extend(words.flatten().map(PathBuf::from));
    let mut tool = Command::new(args.next().context("no program")?);
    // The tool starts this program by the open file: cargo may replace the file under its name.
    let own = File::open("/proc/self/exe").context("cannot open this program's own file")?;
    fcntl_setfd(&own, FdFlags::empty()).context("cannot keep this program's own file open")?;
    let path = format!("/proc/self/fd/{}", own.as_raw_fd());
    readable.push(PathBuf::from(&path));
    restrict(writable, &readable)?;
    CompilerLimits::set()?;
    tool.args(args)
        .env("HOME", home)
        .env("TMPDIR", home)
        .env(READABLE, std::env::join_paths(&readable)?)
        .env(AGAIN, format!("{path} {SANDBOX}"));
    Ok((tool, own))
}

/// Restricts this process to the files of the system, `writable` and `readable`. It can neither
/// listen nor connect, nor send a signal to a process outside the sandbox.
fn restrict(writable: &[OsString], readable: &[PathBuf]) -> Result<()> {
    let read = AccessFs::from_read(NEWEST);
    let all = AccessFs::from_all(NEWEST);
    let system = SYSTEM.map(PathBuf::from);
    let status = Ruleset::default()
        .handle_access(all)?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(system.iter().chain(readable), read))?
        .add_rules(path_beneath_rules(
            DEVICES,
            AccessFs::ReadFile | AccessFs::WriteFile,
        ))?
        .add_rules(path_beneath_rules(writable, all))?
        .restrict_self()?;
    ensure!(
        status.ruleset != RulesetStatus::NotEnforced,
        "the kernel does not restrict this process"
    );
    Ok(())
}
