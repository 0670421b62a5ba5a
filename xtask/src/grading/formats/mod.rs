//! The files of other systems: each adapter turns a [`GradeResult`] into the file that the system
//! reads. None has the message of a hidden part.

mod classroom50;
mod exercism;
mod gradescope;
mod junit;
mod table;

use anyhow::Result;

use super::result::GradeResult;
use crate::report::json;

pub use classroom50::{Classroom50Run, VARIABLES as CLASSROOM50_VARIABLES};
pub use table::{marks_table, result_table};

/// A format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum GradeFormat {
    /// result.json of Classroom 50 (`classroom50/result/v1`)
    Classroom50,
    /// results.json of Gradescope
    Gradescope,
    /// results.json of exercism's test runners, version 3
    Exercism,
    /// JUnit XML
    Junit,
    /// A table with a row for each part (CSV)
    Csv,
}

impl GradeFormat {
    /// Returns the adapter, with everything that it needs from the environment.
    ///
    /// # Errors
    ///
    /// Fails with a usage error if the format needs something that the environment does not have.
    pub fn adapter(self) -> Result<GradeAdapter> {
        Ok(match self {
            Self::Classroom50 => GradeAdapter::Classroom50(Box::new(Classroom50Run::from_env()?)),
            Self::Gradescope => GradeAdapter::Gradescope,
            Self::Exercism => GradeAdapter::Exercism,
            Self::Junit => GradeAdapter::Junit,
            Self::Csv => GradeAdapter::Csv,
        })
    }
}

/// A format of results with everything that its files depend on besides a result.
#[derive(Debug, Clone)]
pub enum GradeAdapter {
    /// Classroom 50, with the variables of its runner.
    Classroom50(Box<Classroom50Run>),
    /// Gradescope.
    Gradescope,
    /// exercism's test runners.
    Exercism,
    /// JUnit XML.
    Junit,
    /// CSV.
    Csv,
}

impl GradeAdapter {
    /// Returns the name of the file in the folder of results.
    pub fn file(&self) -> &'static str {
        match self {
            Self::Classroom50(_) => "classroom50.json",
            Self::Gradescope => "gradescope.json",
            Self::Exercism => "exercism.json",
            Self::Junit => "junit.xml",
            Self::Csv => "result.csv",
        }
    }

    /// Returns the file's text.
    ///
    /// # Errors
    ///
    /// None in practice: the text is written to memory.
    pub fn text(&self, result: &GradeResult) -> Result<String> {
        match self {
            Self::Classroom50(run) => json::pretty(&classroom50::document(result, run)),
            Self::Gradescope => json::pretty(&gradescope::document(result)),
            Self::Exercism => json::pretty(&exercism::document(result)),
            Self::Junit => junit::text(result),
            Self::Csv => result_table(result),
        }
    }
}

/// Returns the text that explains the whole mark to the student; empty if the parts do.
fn explanation(result: &GradeResult) -> String {
    use super::result::GradeStatus::{DoesNotCompile, Graded, Refused};
    match result.status {
        Graded => String::new(),
        DoesNotCompile => format!("The submission does not compile.\n\n{}", result.message),
        Refused => format!("The submission was refused: {}.", result.message),
    }
}

#[cfg(test)]
pub(super) mod tests;
