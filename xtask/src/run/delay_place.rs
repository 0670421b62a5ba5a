//! The place of a delay in the source, for a narrowed schedule.

use std::collections::BTreeSet;

use super::scheduled::{ScheduledCase, point_location};
use crate::modules::Module;
use crate::schedule::{ExactDelay, FunctionCode, KernelPoint};
use crate::symbols::{SourceLocation, Symbols};

/// The place of a delay in the source.
#[derive(Debug, Clone, Default)]
pub struct DelayPlace {
    /// The line before whose instruction the task is delayed, if it is in the lesson's own source, or in the
    /// kernel's.
    pub line: Option<SourceLocation>,
    /// The line of the same file that the task executed before that, if only one can precede.
    pub line_before: Option<SourceLine>,
    /// Whether the task has executed a part of the line.
    pub within: bool,
    /// If the store of the line is held back: the line of the last store that passes it.
    pub passed: Option<SourceLocation>,
    /// Whether the line is one of the kernel.
    pub in_kernel: bool,
    /// The lesson's line that calls the kernel, if only one does.
    pub called: Option<u32>,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceLine {
    /// The line, from 1.
    pub number: u32,
    /// Its text.
    pub text: String,
}

impl DelayPlace {
    /// Returns the place of a delay in a schedule of `prepared`, whose module is `module`.
    pub(super) fn of(
        delay: &ExactDelay,
        prepared: &ScheduledCase,
        module: &Module,
        symbols: &mut Symbols<'_>,
    ) -> Self {
        if let Some(kernel) = prepared.kernel_point(delay) {
            return Self::in_kernel(kernel, prepared, module, symbols);
        }
        let code = FunctionCode::read(&module.path, &delay.function).ok();
        let mut location =
            |offset: u32| symbols.source_location(&module.name, &delay.function, offset);
        let line = location(delay.offset);
        let before = code.map(|code| {
            code.lines_before(delay.offset, |offset| {
                location(offset).map(|location| {
                    let (number, text) = (location.line, location.source);
                    (location.file, SourceLine { number, text })
                })
            })
        });
        let (before, within) = before.unwrap_or_default();
        let mut before = before.into_iter();
        let line_before = match (before.next(), before.next(), &line) {
            (Some((file, before)), None, Some(line)) if file == line.file => Some(before),
            _ => None,
        };
        let passed = prepared.held_store(delay).and_then(|held| {
            let at = &held.passed;
            symbols.source_location(&module.name, &at.function, at.offset)
        });
        Self {
            line,
            line_before,
            within,
            passed,
            ..Self::default()
        }
    }

    fn in_kernel(
        kernel: &KernelPoint,
        prepared: &ScheduledCase,
        module: &Module,
        symbols: &mut Symbols<'_>,
    ) -> Self {
        let called = prepared.calls_of(kernel).filter_map(|point| {
            let location = point_location(symbols, &module.name, point)?;
            Some((location.file, location.line))
        });
        let called: BTreeSet<(String, u32)> = called.collect();
        let mut called = called.into_iter();
        let called = called.next().filter(|_| called.next().is_none());
        Self {
            line: point_location(symbols, &module.name, &kernel.point),
            called: called.map(|(_, line)| line),
            in_kernel: true,
            ..Self::default()
        }
    }
}
