//! The messages of a check that runs in a process of its own, one as a line of JSON each.

use serde::{Deserialize, Serialize};

use crate::exercise::result::{CheckResult, CompileResult, PartResult};

/// A message of a check.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub enum CheckMessage {
    /// The answer was compiled.
    Compiled {
        /// The result.
        result: CompileResult,
    },
    /// A guest of a part is about to start.
    Began {
        /// Index of the part, from 0.
        part: usize,
    },
    /// A part was judged.
    Judged {
        /// Index of the part, from 0.
        part: usize,
        /// The result.
        result: Box<PartResult>,
    },
    /// The check ended.
    Finished {
        /// The result.
        result: Box<CheckResult>,
        /// For each part, the report on its failure.
        details: Vec<Vec<String>>,
    },
    /// The check failed without a result.
    Failed {
        /// The reason.
        reason: String,
    },
}
