//! Any text is a transcript or an error that names its line, and a transcript
//! contains only lines of the text.

use std::path::Path;

use kmodlab_protocol::Commands;
use xtask::lesson::assignment::{AssignmentOptions, assignment};
use xtask::lesson::transcript;

/// Checks one input.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = transcript::title(text);
    match transcript::parse(text, Path::new("README.md")) {
        Ok(parsed) => {
            assert!(!parsed.steps.is_empty());
            let mut last = 0;
            for step in &parsed.steps {
                assert!(step.line > last, "steps come in the order of the text");
                last = step.line;
                let first = step.command.lines().next().unwrap_or("");
                // A tab may stand for the spaces of a list's item.
                let line = text
                    .split('\n')
                    .nth(step.line - 1)
                    .expect("a line of the text");
                assert!(line.contains(first.trim()), "{line:?} has no {first:?}");
            }
            let assignment = assignment(&parsed, AssignmentOptions::default());
            let Commands::Given(commands) = assignment.commands else {
                panic!("commands are typed in real time only");
            };
            assert_eq!(commands.len(), parsed.steps.len());
        }
        Err(error) => {
            let message = error.to_string();
            let rest = message.strip_prefix("README.md:").expect("the file's name");
            let (line, _) = rest.split_once(": ").expect("the line's number");
            let line: usize = line.parse().expect("a number");
            assert!(
                (1..=text.split('\n').count() + 1).contains(&line),
                "{message}"
            );
        }
    }
}
