//! Checks the syntax of a transcript's commands with a shell, before a guest boots. In
//! the guest, a missing quote would end the shell.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::failure::Failure;
use crate::process::which;

use super::transcript::Transcript;

/// Checks every command of a transcript with `sh -n`, which runs no command. It is
/// busybox's shell, as in the guest, if the host has it.
///
/// # Errors
///
/// Fails on the first command with a syntax error, with its line of the `readme`, and if
/// no shell can be started.
pub fn check(transcript: &Transcript, readme: &Path) -> Result<()> {
    let busybox = which("busybox");
    for step in &transcript.steps {
        let mut shell = Command::new(busybox.as_deref().unwrap_or(Path::new("sh")));
        if busybox.is_some() {
            shell.arg("sh");
        }
        // Not as an argument, which is limited to 128 KiB.
        let mut shell = shell
            .arg("-n")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run sh to check a lesson's commands")?;
        if let Some(mut stdin) = shell.stdin.take() {
            // The shell may stop reading at the first error.
            let _ = stdin.write_all(step.command.as_bytes());
            let _ = stdin.write_all(b"\n");
        }
        let output = shell
            .wait_with_output()
            .context("cannot run sh to check a lesson's commands")?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let message = stderr.lines().next().unwrap_or("syntax error");
            let message = message.rsplit("error: ").next().unwrap_or(message);
            return Err(Failure::lesson(format!(
                "{}:{}: this command has a syntax error ({}): {}\n\
                 the further lines of a command begin with `> `",
                readme.display(),
                step.line,
                message.trim(),
                step.command
            ))
            .into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesson::transcript;

    fn check_commands(block: &str) -> Result<()> {
        let readme = Path::new("README.md");
        let transcript = transcript::parse(&format!("```console\n{block}```\n"), readme)?;
        check(&transcript, readme)
    }

    #[test]
    fn an_open_quote_is_an_error_with_its_line() {
        let error = check_commands("$ true\n$ echo 'it is\n").expect_err("an error");
        let error = error.to_string();
        assert!(
            error.starts_with("README.md:3: this command has a syntax error ("),
            "{error}"
        );
    }

    #[test]
    fn a_command_of_several_lines_passes_and_nothing_runs() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("ran");
        check_commands(&format!(
            "$ if true; then\n> touch {}\n> fi\n",
            file.display()
        ))?;
        assert!(!file.exists());
        Ok(())
    }
}
