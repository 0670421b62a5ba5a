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

    /// Adds to the guest's files the one by which its shell shows each command behind a prompt and runs it, and
    /// then shows those that are left. If the guest has this file of the user's, the user's comes first in it.
    ///
    /// # Errors
    ///
    /// Fails if a command has a null byte.
    pub fn add_to(&self, files: &mut Vec<GuestFile>) -> Result<()> {
        let script = self.script()?;
        match files.iter_mut().find(|file| file.path == PROFILE) {
            Some(own) => own.contents.extend(format!("\n{script}").into_bytes()),
            None => files.push(GuestFile {
                path: PROFILE.to_owned(),
                mode: 0o644,
                contents: script.into_bytes(),
            }),
        }
        Ok(())
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
            let lines = self.left.iter().flat_map(|left| left.lines());
            let lines: String = lines.map(|line| format!("  {line}\n")).collect();
            script += &print(&format!("\nnext in the text:\n{lines}"))?;
        }
        Ok(script)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_of_the_users_comes_first() -> Result<()> {
        let mut files = Vec::new();
        let divided = DividedCommands::before(["true".to_owned(), "false".to_owned()], None);
        divided.add_to(&mut files)?;
        let script = divided.script()?;
        assert_eq!(files[0].contents, script.as_bytes());
        files[0].contents = b"alias l=ls".to_vec();
        divided.add_to(&mut files)?;
        assert_eq!(files.len(), 1);
        assert_eq!(
            files[0].contents,
            format!("alias l=ls\n{script}").as_bytes()
        );
        Ok(())
    }

    #[test]
    fn the_commands_before_the_next_are_typed() -> Result<()> {
        let commands = ["insmod a.ko", "echo 'x y'", "rmmod a"].map(ToOwned::to_owned);
        let divided = |next| DividedCommands::before(commands.clone(), next);
        assert_eq!(divided(Some(1)).typed, commands[..1]);
        assert_eq!(divided(None).typed, commands[..2]);
        assert_eq!(divided(Some(3)).left, [""; 0]);
        let script = DividedCommands::before(["cat <<E\nx\nE".to_owned()], None).script()?;
        assert!(script.contains("\n  cat <<E\n  x\n  E\n"), "{script}");
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
