//! A tool in the sandbox reads and writes only what it may. The tests pass without a check where the
//! host's kernel has no Landlock.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use xtask::process::has_landlock;

/// Text that a tool must not find.
const SECRET: &str = "the-secret";

/// The number of the user `nobody`.
const NOBODY: u32 = 65534;

/// Folders for the tests: a work folder with two parts, and folders outside of it.
struct Folders(tempfile::TempDir);

impl Folders {
    /// Makes the folders, with the secret in each but `work/own`. Any user may read and write them.
    fn new() -> Result<Self> {
        let folders = Self(tempfile::tempdir()?);
        let open =
            |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777));
        open(folders.0.path())?;
        for folder in ["work", "work/own", "work/other", "readable", "outside"] {
            let folder = folders.path(folder);
            std::fs::create_dir(&folder)?;
            open(&folder)?;
            if !folder.ends_with("own") {
                std::fs::write(folder.join("secret"), SECRET)?;
            }
        }
        Ok(folders)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Returns a shell that runs `script` in the sandbox of `work`, in the outermost folder.
    fn shell(&self, xtask: &Path, script: &str) -> Command {
        let mut command = Command::new(xtask);
        command
            .arg("__sandbox")
            .arg(self.path("work"))
            .arg("--read")
            .arg(self.path("readable"))
            .args(["--", "sh", "-c", script])
            .current_dir(self.0.path());
        command
    }
}

/// Returns both streams of a command.
fn printed(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let [stdout, stderr] = [output.stdout, output.stderr].map(String::from_utf8);
    Ok(stdout? + &stderr?)
}

/// Checks the sandbox with this xtask, as this user.
fn reads_and_writes_only_its_own(xtask: &Path, user: Option<u32>) -> Result<()> {
    let folders = Folders::new()?;
    let run = |script: &str| {
        let mut shell = folders.shell(xtask, script);
        if let Some(user) = user {
            shell.uid(user);
        }
        printed(&mut shell)
    };
    for path in ["work/secret", "work/other/secret", "readable/secret"] {
        let text = run(&format!("cat {path}"))?;
        ensure!(text == SECRET, "{path}: {text}");
    }
    for script in [
        "cat outside/secret",
        "cat work/../outside/secret",
        "ln -s ../outside/secret work/link; cat work/link",
        "ln outside/secret work/hard; cat work/hard",
        "mv outside/secret work/moved; cat work/moved",
        "cp outside/secret work/copy; cat work/copy",
        "(cat outside/secret)",
        "ls outside",
        "cat /etc/passwd",
        "cat /proc/self/environ",
        "$SANDBOX_COMMAND / -- cat outside/secret",
    ] {
        let text = run(script)?;
        let is_refused = !text.is_empty() && !text.contains(SECRET);
        ensure!(is_refused, "{script}: {text}");
    }
    run("echo x > \"$TMPDIR/new\"; echo x > \"$HOME/home\"; echo x > /dev/null")?;
    for file in ["work/new", "work/home"] {
        ensure!(folders.path(file).is_file(), "{file} is missing");
    }
    run("echo x > outside/new; echo x > readable/new; rm outside/secret readable/secret")?;
    for file in ["outside/new", "readable/new"] {
        ensure!(!folders.path(file).exists(), "{file} was written");
    }
    for file in ["outside/secret", "readable/secret"] {
        ensure!(folders.path(file).exists(), "{file} was removed");
    }
    Ok(())
}

#[test]
fn a_tool_uses_only_its_own_files() -> Result<()> {
    if !has_landlock() {
        return Ok(());
    }
    reads_and_writes_only_its_own(Path::new(env!("CARGO_BIN_EXE_xtask")), None)
}

#[test]
fn an_ordinary_users_tool_uses_only_its_own_files() -> Result<()> {
    if !has_landlock() || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    // The user may not be able to reach the folder of cargo's programs.
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let xtask = folder.path().join("xtask");
    std::fs::copy(env!("CARGO_BIN_EXE_xtask"), &xtask)?;
    reads_and_writes_only_its_own(&xtask, Some(NOBODY))
}

#[test]
fn a_part_of_the_work_is_restricted_further() -> Result<()> {
    if !has_landlock() {
        return Ok(());
    }
    let folders = Folders::new()?;
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let run = |words: &str| {
        let script = format!("$SANDBOX_COMMAND work/own {words}");
        printed(&mut folders.shell(xtask, &script))
    };
    let of_other = "-- cat work/other/secret";
    ensure!(run(of_other)?.contains("Permission denied"));
    ensure!(run(&format!("--read work/other {of_other}"))? == SECRET);
    ensure!(run("-- cat readable/secret")? == SECRET);
    ensure!(run("-- sh -c 'echo x > $TMPDIR/new'")?.is_empty());
    ensure!(folders.path("work/own/new").is_file());
    Ok(())
}

#[test]
fn a_missing_program_is_named() -> Result<()> {
    if !has_landlock() {
        return Ok(());
    }
    let folders = Folders::new()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .arg("__sandbox")
        .arg(folders.path("work"))
        .args(["--", "no-such-tool"]);
    let text = printed(&mut command)?;
    let expected = "error: the sandbox failed: cannot run no-such-tool: No such file";
    ensure!(text.starts_with(expected), "{text}");
    Ok(())
}
