//! Asks a shell whether a transcript's commands are shell, before any guest
//! boots: a quote too few would end the guest's shell.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::failure::Failure;
use crate::process::which;

use super::transcript::Transcript;

/// Checks every command of a transcript with `sh -n`, which reads and does
/// not run: busybox's shell, the guest's own, where there is one.
pub fn check(transcript: &Transcript, readme: &Path) -> Result<()> {
    let busybox = which("busybox");
    for step in &transcript.steps {
        let mut shell = match &busybox {
            Some(busybox) => {
                let mut shell = Command::new(busybox);
                shell.arg("sh");
                shell
            }
            None => Command::new("sh"),
        };
        // Through standard input: an argument may not be longer than 128 KiB.
        let mut shell = shell
            .arg("-n")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run sh to check a lesson's commands")?;
        if let Some(mut stdin) = shell.stdin.take() {
            // It may stop reading at the first error.
            let _ = stdin.write_all(step.command.as_bytes());
            let _ = stdin.write_all(b"\n");
        }
        let output = shell
            .wait_with_output()
            .context("cannot run sh to check a lesson's commands")?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let said = stderr.lines().next().unwrap_or("syntax error");
            let said = said.rsplit_once("error: ").map_or(said, |(_, said)| said);
            return Err(Failure::lesson(format!(
                "{}:{}: this is no shell command ({}): {}\n\
                 a command of several lines goes on in lines that begin with `> `",
                readme.display(),
                step.line,
                said.trim(),
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
    fn an_open_quote_is_told_with_its_line() {
        let error = check_commands("$ true\n$ echo 'it is\n").expect_err("an error");
        let error = error.to_string();
        assert!(
            error.starts_with("README.md:3: this is no shell command ("),
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
