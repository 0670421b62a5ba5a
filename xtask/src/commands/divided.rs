//! The commands of a text, of which `qemu` and `shell` type the first in a guest before a person types the others.

use anyhow::{Context as _, Result};

use crate::initramfs::GuestFile;

/// The file that the guest's shell reads when it starts, after /etc/profile.
const PROFILE: &str = "/root/.profile";

/// Commands of a text: those that are typed, and those that are left for the person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DividedCommands {
    typed: Vec<String>,
    left: Vec<String>,
}

impl DividedCommands {
    /// Divides the commands of a text: the one with the index `next` and all behind it are left. Without an
    /// index, the last command is left.
    pub fn before(commands: impl IntoIterator<Item = String>, next: Option<usize>) -> Self {
        let mut typed: Vec<String> = commands.into_iter().collect();
        let next = next.unwrap_or(typed.len().saturating_sub(1));
        let left = typed.split_off(next.min(typed.len()));
        Self { typed, left }
    }

    /// Returns the guest's file by which its shell shows each command behind a prompt and runs it, and then
    /// shows those that are left.
    ///
    /// # Errors
    ///
    /// Fails if a command has a null byte.
    pub fn file(&self) -> Result<GuestFile> {
        Ok(GuestFile {
            path: PROFILE.to_owned(),
            mode: 0o644,
            contents: self.script()?.into_bytes(),
        })
    }

    fn script(&self) -> Result<String> {
        let print = |text: &str| -> Result<String> {
            let quoted = shlex::try_quote(text).context("a command has a null byte")?;
            Ok(format!("printf '%s\\n' {quoted}\n"))
        };
        let mut script = String::new();
        for command in &self.typed {
            script += &print(&format!("kmodlab:/root# {command}"))?;
            script += command;
            script.push('\n');
        }
        if !self.left.is_empty() {
            let lines = self.left.iter().map(|left| format!("  {left}\n"));
            let lines: String = lines.collect();
            script += &print(&format!("\nnext in the text:\n{lines}"))?;
        }
        Ok(script)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_before_the_next_are_typed() -> Result<()> {
        let commands = ["insmod a.ko", "echo 'x y'", "rmmod a"].map(ToOwned::to_owned);
        let divided = |next| DividedCommands::before(commands.clone(), next);
        assert_eq!(divided(Some(1)).typed, commands[..1]);
        assert_eq!(divided(None).typed, commands[..2]);
        assert_eq!(divided(Some(3)).left, [""; 0]);
        assert_eq!(
            DividedCommands::before([], Some(4)),
            DividedCommands::default()
        );
        let script = divided(Some(2)).script()?;
        let output = std::process::Command::new("sh")
            .args([
                "-c",
                &format!("insmod() {{ echo \"loads $1\"; }}\n{script}"),
            ])
            .output()?;
        let expected = "kmodlab:/root# insmod a.ko\nloads a.ko\nkmodlab:/root# echo 'x y'\nx y\n\n\
                        next in the text:\n  rmmod a\n\n";
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
        Ok(())
    }
}
