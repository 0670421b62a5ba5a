//! The text of a course's exercise for the kmodlab of its students.

use anyhow::{Context as _, Result};

use super::{Outline, SettingsBlock, TaskText};
use crate::exercise::Variant;

/// Keys of the settings that a student's kmodlab does not need: the values of other students, and what
/// only proofs use.
const TEACHERS_KEYS: [&str; 2] = ["vary", "todo"];

impl TaskText {
    /// Returns a `task.md` from which a student's kmodlab checks answers: without hidden parts, and with
    /// the values of a variant in place of those that vary.
    ///
    /// # Errors
    ///
    /// Fails if a setting cannot be written.
    pub fn public_text(&self, variant: &Variant) -> Result<String> {
        let lines: Vec<&str> = self.lines.iter().map(|line| &*line.text).collect();
        let blocks = Outline::of(&lines.join("\n")).blocks;
        let mut text = String::new();
        for (number, line) in (1..).zip(&self.lines) {
            let of = line.part.map(|part| &self.parts[part]);
            if of.is_some_and(|part| part.settings.hidden) {
                continue;
            }
            match blocks.iter().find(|block| block.lines.contains(&number)) {
                Some(block) if block.lines.start == number => text += &public_block(block)?,
                Some(_) => {}
                None => {
                    text += &line.text;
                    text.push('\n');
                }
            }
        }
        Ok(self.variants.fill(&text, variant))
    }
}

/// Returns a block of settings without the keys that are for teachers.
fn public_block(block: &SettingsBlock) -> Result<String> {
    let mut settings: toml::Table = block.text.parse().context("cannot read TOML")?;
    settings.retain(|key, _| !TEACHERS_KEYS.contains(&key));
    if settings.is_empty() {
        return Ok(String::new());
    }
    let settings = toml::to_string(&settings).context("cannot write TOML")?;
    Ok(format!("```toml {}\n{settings}```\n", block.kind))
}
