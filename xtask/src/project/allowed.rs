//! The kernel's messages and the verdicts with which a project's run still passes.

use anyhow::{Result, bail, ensure};

use crate::failure::Failure;
use crate::lesson::compare::glob_matches;

/// The verdicts that a project can allow: those about what the kernel reports or finds left.
const ALLOWED_VERDICTS: [&str; 4] = ["kernel-report", "left-over", "panic", "hang"];

/// The kernel messages and verdicts that a project allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Patterns of the kernel's messages.
    messages: Vec<String>,
    /// Names of verdicts.
    verdicts: Vec<String>,
}

impl Allowed {
    /// Checks the patterns and the verdicts, which `origin` has.
    ///
    /// # Errors
    ///
    /// Fails with the lesson's fault if a pattern would allow everything, or a verdict is not one that
    /// can be allowed.
    pub fn new(messages: &[String], verdicts: &[String], origin: &str) -> Result<Self> {
        let names_something =
            |pattern: &String| pattern.bytes().any(|byte| byte.is_ascii_alphanumeric());
        ensure!(
            messages.iter().all(names_something),
            Failure::lesson(format!(
                "{origin}: a pattern of `allow` names a message, such as \"*registered twice*\""
            ))
        );
        let unknown = verdicts
            .iter()
            .find(|name| !ALLOWED_VERDICTS.contains(&name.as_str()));
        if let Some(name) = unknown {
            bail!(Failure::lesson(format!(
                "{origin}: the verdict `{name}` cannot be allowed; these can: {}",
                ALLOWED_VERDICTS.join(", ")
            )));
        }
        Ok(Self {
            messages: messages.to_vec(),
            verdicts: verdicts.to_vec(),
        })
    }

    /// Reports whether a message of the kernel is allowed; `*` in a pattern stands for any letters.
    pub fn has_message(&self, message: &str) -> bool {
        let mut patterns = self.messages.iter();
        patterns.any(|pattern| glob_matches(pattern, message))
    }

    /// Reports whether a run that ends with this verdict passes.
    pub fn has_verdict(&self, name: &str) -> bool {
        self.verdicts.iter().any(|allowed| allowed == name)
    }
}
