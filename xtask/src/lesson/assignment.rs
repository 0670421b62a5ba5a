//! Makes the document that gives a guest its test case.

use kmodlab_protocol::{Assignment, Commands, GuestFile, Tag};

use super::transcript::Transcript;
use crate::key::Inputs;

/// The parts of an assignment that do not follow from its transcript.
#[derive(Debug, Clone, Default)]
pub struct AssignmentOptions {
    /// More files for the guest.
    pub files: Vec<GuestFile>,
    /// Whether the kernel is built to find leaks.
    pub finds_leaks: bool,
    /// Whether the kernel records a trace.
    pub traces: bool,
    /// Whether a snapshot is taken when the assignment is ready to start.
    pub snapshot: bool,
    /// Whether the host types the commands.
    pub typed: bool,
}

/// Returns the assignment of a transcript. The same inputs have the same tag, so that a guest
/// in virtual time does the same to the byte.
pub fn assignment(transcript: &Transcript, options: AssignmentOptions) -> Assignment {
    let AssignmentOptions {
        files,
        finds_leaks,
        traces,
        snapshot,
        typed,
    } = options;
    let commands: Vec<String> = commands(transcript);
    Assignment {
        tag: tag(&commands, &files),
        limit_seconds: u32::from(transcript.limit()),
        commands: match typed {
            true => Commands::Typed(u32::try_from(commands.len()).unwrap_or(u32::MAX)),
            false => Commands::Given(commands),
        },
        files,
        finds_leaks,
        traces,
        snapshot,
    }
}

/// Returns the commands of a transcript.
pub fn commands(transcript: &Transcript) -> Vec<String> {
    let steps = transcript.steps.iter();
    steps.map(|step| step.command.clone()).collect()
}

fn tag(commands: &[String], files: &[GuestFile]) -> Tag {
    let mut inputs = Inputs::new("message tag 1");
    for command in commands {
        inputs.text("step", command);
    }
    for file in files {
        inputs.bytes(&file.path, &file.contents);
    }
    let key = inputs.key();
    // The key is hexadecimal; its first letters are as unlikely to occur as any bytes.
    let mut bytes = [0; Tag::BYTES];
    for (byte, letter) in bytes.iter_mut().zip(key.as_str().bytes()) {
        *byte = letter;
    }
    Tag::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesson::transcript::{StatedLimit, Step};

    fn transcript(commands: &[&str]) -> Transcript {
        let step = |command: &&str| Step {
            line: 1,
            command: command.to_string(),
            status: 0,
            expected: Vec::new(),
        };
        Transcript {
            steps: commands.iter().map(step).collect(),
            stated_limit: Some(StatedLimit::Text(30)),
        }
    }

    #[test]
    fn the_tag_follows_from_commands_and_files() {
        let of = |commands: &[&str], contents: &[u8]| {
            let options = AssignmentOptions {
                files: vec![GuestFile::own("x", contents)],
                ..AssignmentOptions::default()
            };
            assignment(&transcript(commands), options).tag
        };
        assert_eq!(of(&["a"], b"x"), of(&["a"], b"x"));
        assert_ne!(of(&["a"], b"x"), of(&["b"], b"x"));
        assert_ne!(of(&["a"], b"x"), of(&["a"], b"y"));
    }

    #[test]
    fn typed_commands_are_not_in_the_assignment() {
        let options = AssignmentOptions {
            typed: true,
            ..AssignmentOptions::default()
        };
        let assignment = assignment(&transcript(&["a", "b"]), options);
        assert_eq!(assignment.commands, Commands::Typed(2));
        assert_eq!(assignment.limit_seconds, 30);
    }
}
