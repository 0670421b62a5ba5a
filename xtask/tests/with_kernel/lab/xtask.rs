//! Runs of xtask.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Exit status and output of an xtask.
pub struct XtaskOutput {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Returns an xtask that runs in the folder of a clone and installs nothing.
pub fn xtask(clone: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(args);
    if !builds_nothing(args) {
        command.arg("--no-install");
    }
    command
        .current_dir(clone)
        .env("KMODLAB_WORKSPACE", clone)
        .env_remove("GITHUB_ACTIONS")
        .stdin(Stdio::null());
    if matches!(
        args,
        ["test" | "watch" | "check" | "pack", ..] | ["exercise", "prove", ..]
    ) {
        let more = std::env::var("KMODLAB_TEST_ARGS").unwrap_or_default();
        command.args(more.split_whitespace());
    }
    command
}

/// Reports whether a command has no options of those that build.
fn builds_nothing(args: &[&str]) -> bool {
    matches!(
        args,
        ["list" | "hint" | "reset" | "solution", ..] | ["exercise", "init" | "skeleton", ..]
    )
}

/// Runs xtask to its end.
pub fn run(xtask: &mut Command) -> Result<XtaskOutput> {
    output_of(xtask.output()?)
}

/// Runs xtask with this standard input to its end.
pub fn run_piped(xtask: &mut Command, input: &str) -> Result<XtaskOutput> {
    let mut child = xtask
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut keys = child.stdin.take().context("an input")?;
    keys.write_all(input.as_bytes())?;
    drop(keys);
    output_of(child.wait_with_output()?)
}

fn output_of(output: Output) -> Result<XtaskOutput> {
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(XtaskOutput {
        status: output.status.code().context("no status")?,
        stdout,
        stderr,
    })
}

impl XtaskOutput {
    /// Returns standard output followed by standard error.
    pub fn printed(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Reads a file of the first failure's artifacts.
    pub fn artifact(&self, name: &str) -> Result<String> {
        let printed = self.printed();
        let folder = printed
            .lines()
            .find_map(|line| line.strip_prefix("artifacts: "))
            .context("no record is named")?;
        let path = Path::new(folder).join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Checks the exit status, and that all of `parts` were printed.
    pub fn expect(&self, status: i32, parts: &[&str]) -> Result<()> {
        let (got, printed) = (self.status, self.printed());
        ensure!(got == status, "status {got}, not {status}\n{printed}");
        for part in parts {
            ensure!(printed.contains(part), "{part:?} is missing\n{printed}");
        }
        Ok(())
    }
}

/// Splits a line into arguments at its spaces.
pub fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}
