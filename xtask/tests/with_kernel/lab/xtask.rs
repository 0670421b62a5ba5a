//! Runs of xtask.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// What an xtask came to.
pub struct XtaskOutput {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// An xtask that is run on a clone, in its folder, and that installs nothing.
pub fn xtask(clone: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(args)
        .arg("--no-install")
        .current_dir(clone)
        .env("KMODLAB_WORKSPACE", clone)
        .env_remove("GITHUB_ACTIONS")
        .stdin(Stdio::null());
    if args.first() == Some(&"test") {
        let more = std::env::var("KMODLAB_TEST_ARGS").unwrap_or_default();
        command.args(more.split_whitespace());
    }
    command
}

/// Runs an xtask to its end.
pub fn run(xtask: &mut Command) -> Result<XtaskOutput> {
    let output = xtask.output()?;
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(XtaskOutput {
        status: output.status.code().context("no status")?,
        stdout,
        stderr,
    })
}

impl XtaskOutput {
    /// All that was printed.
    pub fn printed(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// A file of the folder with all that is known of a play that failed.
    pub fn artifact(&self, name: &str) -> Result<String> {
        let printed = self.printed();
        let folder = printed
            .lines()
            .find_map(|line| line.strip_prefix("all that is known of it: "))
            .context("no record is named")?;
        let path = Path::new(folder).join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Holds if the status and all of `parts` are there.
    pub fn expect(&self, status: i32, parts: &[&str]) -> Result<()> {
        let (got, printed) = (self.status, self.printed());
        ensure!(got == status, "status {got}, not {status}\n{printed}");
        for part in parts {
            ensure!(printed.contains(part), "{part:?} is missing\n{printed}");
        }
        Ok(())
    }
}

/// The words of a line, which are arguments.
pub fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}
