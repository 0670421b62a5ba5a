//! The failure of a part: the difference, the line that printed it, or the kernel's report.

use ratatui::text::{Line, Span};

use super::style::Role;
use super::words::{clip, clip_path, fit, width, wrap};
use crate::exercise::result::PartResult;
use crate::learn::diff::{DiffRow, rows};
use crate::learn::state::LearnState;
use crate::report::json::{FailedStep, MismatchEntry, RunEntry};

/// Columns of the indentation.
const INDENT: usize = 5;

/// Maximum number of rows of a comparison.
const DIFF_ROWS: usize = 12;

/// Rows of a comparison before the first difference.
const ROWS_BEFORE: usize = 3;

/// Maximum number of lines of the kernel's log.
const LOG_LINES: usize = 8;

/// The sign of a line that the guest did not print.
const NOTHING: &str = "(nothing)";

/// The heading over the guest's lines.
const PRINTED: &str = "the guest printed";

/// The lines about one failure.
struct FailureLines<'a> {
    state: &'a LearnState,
    columns: usize,
    lines: Vec<Line<'static>>,
}

/// Returns the lines about the failure of the part with this index.
pub(super) fn lines(state: &LearnState, index: usize, columns: usize) -> Vec<Line<'static>> {
    let mut failure = FailureLines {
        state,
        columns,
        lines: Vec::new(),
    };
    if let Some(part) = state.parts.get(index).and_then(|row| row.result.as_ref()) {
        failure.part(part);
    }
    failure.lines
}

impl FailureLines<'_> {
    fn part(&mut self, part: &PartResult) {
        if let Some(counts) = part.schedules
            && let Some(seed) = counts.first_failing_seed
        {
            let passed = counts.passed;
            self.wrapped(
                &format!("{passed} schedules passed, then the one with seed {seed} failed"),
                None,
            );
        }
        let run = part.run.as_ref();
        let is_mismatch = run.is_some_and(|run| run.mismatch.is_some());
        if !is_mismatch {
            self.wrapped(&part.message, Some(Role::Bad));
        }
        let Some(run) = run else { return };
        if let Some(earlier) = &run.earlier_mismatch {
            self.wrapped("before that, another command printed other lines:", None);
            self.mismatch(&earlier.step, &earlier.mismatch);
        }
        match (&run.failed_step, &run.mismatch) {
            (Some(step), Some(entry)) => self.mismatch(step, entry),
            (Some(step), None) => self.command(step),
            _ => {}
        }
        if let Some(sentence) = &run.unexpected_success {
            self.wrapped(sentence, None);
        }
        self.places(run);
        if is_mismatch {
            for left in run.left_behind.iter().take(3) {
                self.wrapped(left, None);
            }
        } else {
            self.log(run);
        }
    }

    fn push(&mut self, text: &str, role: Option<Role>) {
        let columns = self.columns.saturating_sub(INDENT);
        let text = clip(text, columns, self.state.look.unicode);
        let style = role
            .map(|role| self.state.look.style(role))
            .unwrap_or_default();
        self.push_spans(vec![Span::styled(text, style)]);
    }

    fn push_spans(&mut self, mut spans: Vec<Span<'static>>) {
        spans.insert(0, Span::raw(" ".repeat(INDENT)));
        self.lines.push(Line::from(spans));
    }

    fn wrapped(&mut self, text: &str, role: Option<Role>) {
        for line in wrap(text, self.columns.saturating_sub(INDENT + 1)) {
            self.push(&line, role);
        }
    }

    fn command(&mut self, step: &FailedStep) {
        let first = step.command.lines().next().unwrap_or_default();
        let place = format!("   task.md:{}", step.line);
        let columns = self.columns.saturating_sub(INDENT + width(&place));
        let look = self.state.look;
        let text = clip(&format!("$ {first}"), columns, look.unicode);
        self.push_spans(vec![
            Span::styled(text, look.style(Role::Strong)),
            Span::styled(place, look.style(Role::Faint)),
        ]);
    }

    /// Adds the comparison of what a command printed with the text.
    fn mismatch(&mut self, step: &FailedStep, entry: &MismatchEntry) {
        self.command(step);
        let all = rows(&entry.expected, &entry.printed);
        let differs = |row: &DiffRow| matches!(row, DiffRow::Differs { .. });
        if let Some(at) = all.iter().position(differs) {
            // The rows before the difference may be many.
            let first = at.saturating_sub(ROWS_BEFORE);
            let last = all.len().min(first + DIFF_ROWS);
            self.comparison(first, &all[first..last]);
            let hidden = all.len() - last;
            if hidden > 0 {
                self.push(&format!("    {hidden} more lines: [d]"), None);
            }
        }
        let (status, expected) = (entry.status, entry.expected_status);
        if status != expected {
            let text = format!("exit status {status}, expected {expected}");
            self.push(&text, Some(Role::Bad));
        }
        let mut printed = all.iter().filter_map(|row| match row {
            DiffRow::Differs { printed, .. } => printed.as_ref(),
            DiffRow::Same(_) => None,
        });
        if let Some(line) = printed.find_map(|line| self.state.printed_by(line)) {
            let file = self.state.answer_file();
            let text = format!("printed by {file}:{} | {}", line.number, line.text);
            self.push(&text, None);
        }
    }

    /// Adds rows side by side if they fit, else one below the other. `first` is the index of the
    /// first row.
    fn comparison(&mut self, first: usize, rows: &[DiffRow]) {
        let sides = rows.iter().map(|row| match row {
            DiffRow::Same(line) => (width(line), width(line)),
            DiffRow::Differs { expected, printed } => (
                expected.as_deref().map_or(0, width),
                width(printed.as_deref().unwrap_or(NOTHING)),
            ),
        });
        let titles = (width("expected"), width(PRINTED));
        let (left, right) = sides.fold(titles, |most, side| {
            (most.0.max(side.0), most.1.max(side.1))
        });
        if INDENT + 4 + left + 2 + right <= self.columns {
            self.side_by_side(first, rows, left);
        } else {
            self.one_below_the_other(rows);
        }
    }

    fn side_by_side(&mut self, first: usize, rows: &[DiffRow], left: usize) {
        let look = self.state.look;
        let titles = format!("    {}  {PRINTED}", fit("expected", left, look.unicode));
        self.push(&titles, Some(Role::Faint));
        for (number, row) in (first + 1..).zip(rows) {
            let (expected, printed, sign, styles) = match row {
                DiffRow::Same(line) => (&**line, &**line, ' ', [Role::Faint; 2]),
                DiffRow::Differs { expected, printed } => (
                    expected.as_deref().unwrap_or_default(),
                    printed.as_deref().unwrap_or(NOTHING),
                    '!',
                    [Role::Good, Role::Bad],
                ),
            };
            let [of_expected, of_printed] = styles.map(|role| look.style(role));
            self.push_spans(vec![
                Span::raw(format!("{number:>2}{sign} ")),
                Span::styled(fit(expected, left, look.unicode), of_expected),
                Span::raw("  "),
                Span::styled(printed.to_owned(), of_printed),
            ]);
        }
    }

    fn one_below_the_other(&mut self, rows: &[DiffRow]) {
        self.push("  - expected, + printed", Some(Role::Faint));
        for row in rows {
            match row {
                DiffRow::Same(line) => self.push(&format!("  {line}"), Some(Role::Faint)),
                DiffRow::Differs { expected, printed } => {
                    if let Some(line) = expected {
                        self.push(&format!("- {line}"), Some(Role::Good));
                    }
                    if let Some(line) = printed {
                        self.push(&format!("+ {line}"), Some(Role::Bad));
                    }
                }
            }
        }
    }

    /// Adds where the tasks of the kernel's report were in the answer.
    fn places(&mut self, run: &RunEntry) {
        for location in run.source_locations.iter().take(4) {
            let task = match &*location.task {
                "" => "the CPU",
                task => task,
            };
            let (file, line) = (&location.file, location.line);
            let (before, after) = (
                format!("{task} was at "),
                format!(":{line}, in {}:", location.function),
            );
            let others = INDENT + width(&before) + width(&after);
            let columns = self.columns.saturating_sub(others);
            let file = clip_path(file, columns, self.state.look.unicode);
            self.push(&format!("{before}{file}{after}"), None);
            let text = format!("{line:>5} | {}", location.source);
            self.push(&text, Some(Role::Strong));
        }
    }

    fn log(&mut self, run: &RunEntry) {
        let all = run.kernel_log.iter().chain(&run.output_excerpt);
        for line in all.take(LOG_LINES) {
            self.push(&format!("  {line}"), Some(Role::Faint));
        }
        let more = run.kernel_log.len().saturating_sub(LOG_LINES);
        if more > 0 {
            self.push(
                &format!("  {more} more lines of the kernel's log: [d]"),
                None,
            );
        }
    }
}
