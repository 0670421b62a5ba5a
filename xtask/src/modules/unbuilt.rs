//! Modules that could not be built.

use std::path::Path;

use super::attribution::ModuleErrors;
use super::sandbox;
use super::{Language, Module};
use crate::failure::{Fault, fault_of};

/// A module that was requested and could not be built.
#[derive(Debug, Clone)]
pub struct UnbuiltModule {
    /// Name of the lesson or project whose module it is.
    pub name: String,
    /// Language of the source.
    pub language: Language,
    /// The party at fault: the lesson if its source is wrong, the host if a tool crashed or could
    /// not write its result.
    pub fault: Fault,
    /// The error, with the compiler's output.
    pub message: String,
}

impl UnbuiltModule {
    /// Creates one for a module whose build failed with `error`.
    pub(super) fn new(name: &str, language: Language, error: &anyhow::Error) -> Self {
        Self {
            name: name.to_owned(),
            language,
            fault: fault_of(error),
            message: format!("{error:#}"),
        }
    }

    /// Creates one for a module with these `errors` in kbuild's output, of which `log` has all.
    pub(super) fn with_errors(
        name: &str,
        language: Language,
        errors: &ModuleErrors,
        kernel: &str,
        log: &Path,
    ) -> Self {
        let what = match errors.fault {
            Fault::Lesson => "does not compile for",
            _ => "could not be compiled for",
        };
        let mut message = format!("{name} ({language}) {what} Linux {kernel}:\n");
        message += &errors.lines.join("\n");
        if errors.left_out > 0 {
            message += &format!("\n... and {} more lines", errors.left_out);
        }
        if let Some(explanation) = sandbox::explanation(&errors.lines) {
            message += &format!("\n{explanation}");
        }
        message += &format!("\nthe whole log: {}", log.display());
        Self {
            name: name.to_owned(),
            language,
            fault: errors.fault,
            message,
        }
    }

    /// Reports whether this is `module`.
    pub(super) fn is(&self, module: &Module) -> bool {
        self.name == module.owner && self.language == module.language
    }
}
