//! Checks the syntax of a transcript's commands with a shell, before a guest boots. In
//! the guest, a missing quote would end the shell.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::TextError;
use super::transcript::{Step, Transcript};
use crate::process::which;

/// Words that mean something to a shell where a command begins.
const RESERVED: [&str; 17] = [
    "!", "{", "}", "case", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if",
    "in", "then", "until", "while",
];

/// Checks the commands of a transcript with `sh -n`, which runs no command, and returns the first
/// syntax error, if there is one. The shell is busybox's, as in the guest, if the host has it.
///
/// # Errors
///
/// Fails if no shell can be started.
pub(super) fn first_error(transcript: &Transcript, readme: &Path) -> Result<Option<TextError>> {
    let busybox = which("busybox");
    for step in &transcript.steps {
        if is_plain(&step.command) {
            continue;
        }
        if step.command.contains('\0') {
            return Ok(Some(TextError {
                readme: readme.to_owned(),
                line: Some(step.line),
                problem: "this command has a null byte, which no shell reads".to_owned(),
            }));
        }
        if let Some(message) = error_of(step, busybox.as_deref())? {
            return Ok(Some(TextError {
                readme: readme.to_owned(),
                line: Some(step.line),
                problem: format!(
                    "this command has a syntax error ({}): {}\n\
                     the further lines of a command begin with `> `",
                    message.trim(),
                    step.command
                ),
            }));
        }
    }
    Ok(None)
}

/// Reports whether a command is a list of words without a meaning of their own to a shell, which
/// need no check: a third of the lessons' commands are, and a shell costs a millisecond.
fn is_plain(command: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" _-./=,:+@%^".contains(&byte);
    let first = command.split(' ').next().unwrap_or_default();
    command.bytes().all(is_plain) && !RESERVED.contains(&first)
}

/// Returns the shell's message if a command has a syntax error.
fn error_of(step: &Step, busybox: Option<&Path>) -> Result<Option<String>> {
    let mut shell = Command::new(busybox.unwrap_or(Path::new("sh")));
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
    if output.status.success() {
        return Ok(None);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let message = stderr.lines().next().unwrap_or("syntax error");
    let message = message.rsplit("error: ").next().unwrap_or(message);
    Ok(Some(message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesson::transcript;

    fn check_commands(block: &str) -> Result<Option<TextError>> {
        let readme = Path::new("README.md");
        let transcript = transcript::parse(&format!("```console\n{block}```\n"), readme)?;
        first_error(&transcript, readme)
    }

    #[test]
    fn an_open_quote_is_an_error_with_its_line() -> Result<()> {
        let error = check_commands("$ true\n$ echo 'it is\n")?.expect("an error");
        let error = error.to_string();
        assert!(
            error.starts_with("README.md:3: this command has a syntax error ("),
            "{error}"
        );
        Ok(())
    }

    #[test]
    fn a_word_of_the_shells_grammar_alone_is_an_error() -> Result<()> {
        for word in RESERVED {
            let found = check_commands(&format!("$ {word}\n"))?.is_some();
            // These are words like any other where no grammar expects them.
            let is_word = matches!(word, "!" | "in" | "function");
            assert!(found || is_word, "{word}");
            assert!(!is_plain(word), "{word}");
        }
        for plain in ["insmod x.ko mode=1,2", "dmesg -c", "iffy", "A=b true"] {
            assert!(is_plain(plain), "{plain}");
            assert_eq!(check_commands(&format!("$ {plain}\n"))?, None, "{plain}");
        }
        Ok(())
    }

    #[test]
    fn a_command_of_several_lines_passes_and_nothing_runs() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("ran");
        let error = check_commands(&format!(
            "$ if true; then\n> touch {}\n> fi\n",
            file.display()
        ))?;
        assert_eq!(error, None);
        assert!(!file.exists());
        Ok(())
    }
}
