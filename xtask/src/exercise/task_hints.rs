//! The hints of an exercise, below the heading `## Hints` of `task.md`.

use std::fmt;

/// The hints of an exercise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskHints {
    /// The written hints, in their order.
    pub written: Vec<String>,
    /// The hints for a verdict.
    pub of_verdicts: Vec<VerdictHint>,
}

/// A hint for a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictHint {
    /// The condition under which it is shown.
    pub condition: HintCondition,
    /// The text.
    pub text: String,
}

/// The failures for which a hint is: `hang in kthread_stop`, `hang`, `hang (part 2)` or `E0382`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HintCondition {
    /// The verdict, or a compiler's error code.
    pub verdict: String,
    /// A name that the report has.
    pub symbol: Option<String>,
    /// The number of the part that fails, from 1.
    pub part: Option<usize>,
}

impl HintCondition {
    /// Reads `VERDICT in SYMBOL`, `VERDICT` or an error code, each with ` (part N)` if it is for that part alone.
    pub fn read(text: &str) -> Self {
        let of_part = text.strip_suffix(')').and_then(|text| {
            let (text, number) = text.rsplit_once(" (part ")?;
            Some((text, number.parse().ok()?))
        });
        let (text, part) = match of_part {
            Some((text, number)) => (text, Some(number)),
            None => (text, None),
        };
        let (verdict, symbol) = match text.split_once(" in ") {
            Some((verdict, symbol)) => (verdict, Some(symbol)),
            None => (text, None),
        };
        let plain = |word: &str| word.trim().trim_matches('`').to_owned();
        Self {
            verdict: plain(verdict),
            symbol: symbol.map(plain),
            part,
        }
    }
}

impl fmt::Display for HintCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.verdict)?;
        if let Some(symbol) = &self.symbol {
            write!(f, " in {symbol}")?;
        }
        match self.part {
            Some(part) => write!(f, " (part {part})"),
            None => Ok(()),
        }
    }
}

/// Reads the lines below the heading, of which the first has the number `first`.
///
/// # Errors
///
/// Fails with a line's number and the problem if there is text that belongs to no hint.
pub(super) fn parse<'a>(
    lines: impl Iterator<Item = &'a str>,
    first: usize,
) -> Result<TaskHints, (usize, String)> {
    let mut hints = TaskHints::default();
    for (number, line) in (first..).zip(lines) {
        if let Some(heading) = line.strip_prefix("### ") {
            hints.of_verdicts.push(VerdictHint {
                condition: HintCondition::read(heading.trim()),
                text: String::new(),
            });
            continue;
        }
        if hints.of_verdicts.is_empty()
            && let Some(text) = numbered(line)
        {
            hints.written.push(text.to_owned());
            continue;
        }
        let last = match hints.of_verdicts.last_mut() {
            Some(hint) => Some(&mut hint.text),
            None => hints.written.last_mut(),
        };
        match last {
            Some(text) => {
                text.push('\n');
                // The indentation of a list's item.
                let line = line.strip_prefix("   ").unwrap_or(line);
                text.push_str(line.trim_end());
            }
            None if line.trim().is_empty() => {}
            None => {
                let form = "`1. TEXT` or `### VERDICT in SYMBOL`";
                return Err((
                    number,
                    format!("this text is not in a hint; a hint is {form}"),
                ));
            }
        }
    }
    for text in &mut hints.written {
        *text = text.trim().to_owned();
    }
    for hint in &mut hints.of_verdicts {
        hint.text = hint.text.trim().to_owned();
    }
    Ok(hints)
}

/// Returns the text of a numbered item's first line.
fn numbered(line: &str) -> Option<&str> {
    let (number, text) = line.split_once(". ")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_numbered_or_for_a_verdict() {
        let text = "\n1. Look at\n   `wait.h`.\n2. Second.\n\n### hang in `kthread_stop`\n\nThe end.\n                    \n1. Not a hint.\n### E0382 (part 2)\nMoved.\n";
        let hints = parse(text.lines(), 7).expect("hints");
        assert_eq!(hints.written, ["Look at\n`wait.h`.", "Second."]);
        let of_verdicts = hints.of_verdicts;
        let headings: Vec<String> = of_verdicts
            .iter()
            .map(|hint| hint.condition.to_string())
            .collect();
        assert_eq!(headings, ["hang in kthread_stop", "E0382 (part 2)"]);
        assert_eq!(of_verdicts[1].condition.part, Some(2));
        assert_eq!(of_verdicts[0].text, "The end.\n\n1. Not a hint.");
        let error = parse("\nText.\n".lines(), 7).expect_err("text outside");
        assert_eq!(error.0, 8);
    }
}
