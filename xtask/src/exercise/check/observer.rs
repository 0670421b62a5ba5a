//! The events of a check while its guests run.

use std::sync::{Mutex, PoisonError};

use super::{Check, CheckedKernel, PartIndex};
use crate::exercise::result::{CompileResult, PartResult};
use crate::modules::Language;
use crate::run::{RunEvent, RunObserver};

/// An event of a check. `answer` is the index of an answer, and `part` that of one of its parts.
#[derive(Debug, Clone, Copy)]
pub enum CheckEvent<'a> {
    /// An answer was compiled.
    Compiled {
        /// The answer.
        answer: usize,
        /// The result.
        result: &'a CompileResult,
    },
    /// A guest of a part is about to start.
    Began {
        /// The answer.
        answer: usize,
        /// The part.
        part: usize,
    },
    /// A part was judged.
    Judged {
        /// The answer.
        answer: usize,
        /// The part.
        part: usize,
        /// The result.
        result: &'a PartResult,
    },
}

/// Passes the events of a suite on as those of the check.
pub(super) struct PartObserver<'a> {
    pub check: &'a Check<'a>,
    pub kernel: &'a CheckedKernel,
    pub parts: &'a [PartIndex],
    /// Whether each run decides about its part.
    pub judges: bool,
    /// The parts of which a guest has started.
    pub began: Mutex<Vec<PartIndex>>,
}

impl PartObserver<'_> {
    fn part_of(&self, lesson: &str, language: Language) -> Option<PartIndex> {
        let is_it = |part: &&PartIndex| {
            let own = self.check.answer_part(**part).lesson.as_ref();
            self.check.answers[part.0].language == language
                && own.is_some_and(|own| own.name == lesson)
        };
        self.parts.iter().find(is_it).copied()
    }
}

impl RunObserver for PartObserver<'_> {
    fn on_event(&self, event: &RunEvent<'_>) {
        let on_event = self.check.settings.on_event;
        match event {
            RunEvent::Started { case, .. } => {
                if let Some(part) = self.part_of(&case.lesson.name, case.language) {
                    let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
                    if !began.contains(&part) {
                        began.push(part);
                        on_event(CheckEvent::Began {
                            answer: part.0,
                            part: part.1,
                        });
                    }
                }
            }
            RunEvent::Finished { outcome, .. } if self.judges => {
                if let Some(part) = self.part_of(&outcome.lesson, outcome.language) {
                    let outcomes = std::slice::from_ref(*outcome);
                    let result = self.check.judge(self.kernel, part, outcomes);
                    on_event(CheckEvent::Judged {
                        answer: part.0,
                        part: part.1,
                        result: &result,
                    });
                }
            }
            _ => {}
        }
    }
}
