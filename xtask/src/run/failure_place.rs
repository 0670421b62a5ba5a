//! The identity of a failure: whether two runs of a test case failed in the same way.

use super::outcome::Outcome;
use crate::lesson::timestamp;
use crate::lesson::verdict::Verdict;

/// The verdict of a failed run, the step, and the place in the lesson's text or its source. Numbers in
/// the guest's output do not count: a PID or an address differs from run to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailurePlace {
    /// The verdict's name.
    verdict: &'static str,
    /// The line of the lesson's text where the step's command is.
    step: Option<usize>,
    /// The text of the verdict, or the first line that differs from the lesson's, with its number.
    what: String,
    /// File, line and function where the first task of a kernel report was.
    source: Option<(String, u32, String)>,
}

impl FailurePlace {
    /// Returns the identity of a run's failure.
    pub fn of(outcome: &Outcome) -> Self {
        let location = outcome.source_locations.first();
        Self {
            verdict: outcome.verdict.name(),
            step: outcome.verdict.text_line(),
            what: what(&outcome.verdict),
            source: location.map(|location| {
                let function = location.function.clone();
                (location.file.clone(), location.line, function)
            }),
        }
    }
}

fn what(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Mismatch { first, .. } => {
            let untimed = |line: &str| {
                let rest = timestamp::split_kernel(line).map(|(_, rest)| rest.to_owned());
                without_numbers(&rest.unwrap_or_else(|| line.to_owned()))
            };
            let (printed, expected) = (&first.printed, &first.expected);
            let pairs = printed.iter().zip(expected);
            let same = pairs.take_while(|(printed, expected)| printed == expected);
            let number = same.count();
            let printed = printed.get(number).map(|line| untimed(line));
            format!("{number}: {printed:?}, status {:?}", first.status)
        }
        Verdict::Hang { symptom, .. } => without_numbers(symptom),
        Verdict::LeftOver { left } => {
            let left = left.iter().map(|left| without_numbers(left));
            left.collect::<Vec<_>>().join("; ")
        }
        other => without_numbers(&other.to_string()),
    }
}

/// Replaces each word with a digit by `#`: `0x6b6b`, `ffff8880`, `41`.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match is_word(first) {
            true => rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (word, others) = rest.split_at(end);
        match word.contains(|letter: char| letter.is_ascii_digit()) {
            true => out.push('#'),
            false => out.push_str(word),
        }
        rest = others;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_digits_are_numbers() {
        let text = "INFO: task a-b:40 at 0xdead (ffff8880) blocked, é";
        assert_eq!(
            without_numbers(text),
            "INFO: task a-b:# at # (#) blocked, é"
        );
    }

    #[test]
    fn a_mismatch_is_the_same_with_other_numbers_and_not_at_another_line() {
        let mismatch = |printed: &[&str], status| {
            let lines = |lines: &[&str]| lines.iter().map(ToString::to_string).collect();
            what(&Verdict::Mismatch {
                first: Box::new(crate::lesson::verdict::Mismatch {
                    location: crate::lesson::verdict::TextLocation {
                        line: 3,
                        command: "dmesg".to_owned(),
                        before: Vec::new(),
                    },
                    expected: lines(&["a", "b"]),
                    printed: lines(printed),
                    status: (0, status),
                    log: Vec::new(),
                }),
                further: 0,
            })
        };
        let first = mismatch(&["a", "[    5.143569] x: 1 draw"], 0);
        assert_eq!(first, mismatch(&["a", "[    6.000000] x: 2 draw"], 0));
        assert_ne!(first, mismatch(&["a", "[    5.143569] x: 1 draws"], 0));
        assert_ne!(first, mismatch(&["[    5.143569] x: 1 draw"], 0));
        assert_ne!(first, mismatch(&["a", "[    5.143569] x: 1 draw"], 1));
        assert_ne!(first, mismatch(&["a"], 0));
    }
}
