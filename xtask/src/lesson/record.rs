//! Collects the agent's messages of a run.

use kmodlab_protocol::{CodeSection, Message, State, Tag, frame};

use super::compare::printed_lines;
use crate::text::Ends;

/// The events of a run, as the agent reported them. Whatever is missing did not happen.
#[derive(Debug, Clone, Default)]
pub struct GuestRecord {
    /// The guest's clock when it was ready for a lesson, in seconds since boot. Its kernel
    /// logged that at the same time.
    pub ready: Option<f64>,
    /// The guest's state before the lesson.
    pub before: Option<State>,
    /// Whether the run started.
    pub started: bool,
    /// The steps that began, in order.
    pub steps: Vec<RecordedStep>,
    /// The guest's clock when the run reached its time limit.
    pub timeout: Option<f64>,
    /// The last bytes of the output, if the commands printed more than they may.
    pub output_limit: Option<Vec<u8>>,
    /// Output of background jobs after the last step.
    pub late_output: Vec<u8>,
    /// The exit status of the lesson's shell, once that has ended.
    pub shell: Option<i32>,
    /// The guest's state after the lesson: only additions (see [`State`]).
    pub after: Option<State>,
    /// The kernel's count of timer ticks when the lesson began, where it looks for leaks.
    pub jiffies: Option<u64>,
    /// The kernel's report of lost memory: the contents of `/sys/kernel/debug/kmemleak`.
    pub kmemleak: Option<String>,
    /// Code of modules, in the order in which it was seen.
    pub sections: Vec<CodeSection>,
    /// Detectors that the guest could not use, though its kernel is built for them.
    pub unavailable: Vec<String>,
    /// The kernel's trace, if the run reports it: the contents of `/sys/kernel/tracing/trace`.
    pub trace: Option<String>,
}

impl GuestRecord {
    /// Reports whether the run came to its end.
    pub fn finished(&self) -> bool {
        self.after.is_some()
    }
}

/// A step that began.
#[derive(Debug, Clone, Default)]
pub struct RecordedStep {
    /// The guest's clock when it began, in seconds since boot.
    pub begin: f64,
    /// Its output.
    pub output: Vec<u8>,
    /// Its end, if it ended.
    pub end: Option<StepEnd>,
}

/// Maximum length of a command's output in artifacts, in bytes.
const MAX_SHOWN: usize = 256 << 10;

impl RecordedStep {
    /// Returns the printed lines; of a long output, those at its beginning and its end.
    pub fn shown_lines(&self) -> Vec<String> {
        let Some(ends) = Ends::of(&self.output, MAX_SHOWN) else {
            return printed_lines(&self.output);
        };
        let mut lines = printed_lines(ends.first);
        lines.push(ends.note());
        lines.extend(printed_lines(ends.last));
        lines
    }
}

/// The end of a step.
#[derive(Debug, Clone, Copy)]
pub struct StepEnd {
    /// The command's exit status.
    pub status: u8,
    /// The guest's clock, in seconds since boot.
    pub at: f64,
}

/// Reads the agent's channel of a run whose messages have this tag.
pub fn read(tag: Tag, channel: &[u8]) -> GuestRecord {
    let messages = frame::read(tag, channel);
    let has_state = |message: &Message| matches!(message, Message::Ready { .. });
    // A guest that became a snapshot did not have its tag then. Only its first message counts:
    // no code of a lesson has run before.
    let boot = match messages.iter().any(has_state) {
        true => None,
        false => frame::read(Tag::BOOT, channel).into_iter().next(),
    };
    let mut record = GuestRecord::default();
    for message in boot.into_iter().chain(messages) {
        record.add(message);
    }
    record
}

impl GuestRecord {
    fn add(&mut self, message: Message) {
        match message {
            Message::Ready { at, state } => {
                if self.before.is_none() {
                    self.ready = Some(at.seconds());
                    self.before = Some(state);
                }
            }
            Message::Started { jiffies, .. } => {
                self.started = true;
                self.jiffies = jiffies;
            }
            Message::AwaitsCommand { .. } => {}
            Message::StepBegan { number, at } => {
                if usize::try_from(number) == Ok(self.steps.len() + 1) {
                    self.steps.push(RecordedStep {
                        begin: at.seconds(),
                        ..RecordedStep::default()
                    });
                }
            }
            Message::Output(bytes) => {
                // Between two steps the agent reads no output. Output of a background job
                // after the last step belongs to none.
                match self.steps.last_mut().filter(|step| step.end.is_none()) {
                    Some(step) => step.output.extend(bytes),
                    None => self.late_output.extend(bytes),
                }
            }
            Message::StepEnded { number, at, status } => {
                let is_last = usize::try_from(number) == Ok(self.steps.len());
                if let (true, Some(step)) = (is_last, self.steps.last_mut()) {
                    let at = at.seconds();
                    step.end = step.end.or(Some(StepEnd { status, at }));
                }
            }
            Message::Code(section) => self.sections.push(section),
            Message::Unavailable(detector) => self.unavailable.push(detector),
            Message::OutputLimit { last, .. } => self.output_limit = Some(last),
            Message::TimedOut { at } => self.timeout = Some(at.seconds()),
            Message::ShellEnded { status } => self.shell = Some(status),
            Message::Leaks(report) => {
                self.kmemleak = Some(String::from_utf8_lossy(&report).into_owned());
            }
            Message::Trace(trace) => {
                self.trace = Some(String::from_utf8_lossy(&trace).into_owned());
            }
            Message::Finished { state } => self.after = Some(state),
        }
    }
}

/// Formats commands and their output as a person sees them at a terminal.
pub fn session<'a>(commands: impl IntoIterator<Item = &'a str>, steps: &[RecordedStep]) -> String {
    let mut session = String::new();
    for (command, step) in commands.into_iter().zip(steps) {
        let mut prompt = "$";
        for line in command.lines() {
            session.push_str(&format!("{prompt} {line}\n"));
            prompt = ">";
        }
        for line in step.shown_lines() {
            session.push_str(&line);
            session.push('\n');
        }
    }
    session
}

#[cfg(test)]
mod tests {
    use kmodlab_protocol::Uptime;

    use super::*;

    fn tag() -> Tag {
        Tag::from_bytes(*b"0123456789abcdef")
    }

    fn at(milliseconds: u64) -> Uptime {
        Uptime(milliseconds * 1_000_000)
    }

    fn channel(messages: &[Message]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for message in messages {
            let tag = match message {
                Message::Ready { .. } => Tag::BOOT,
                _ => tag(),
            };
            frame::write(tag, message, &mut bytes);
        }
        bytes
    }

    fn state(module: &str) -> State {
        State {
            modules: vec![module.to_owned()],
            ..State::default()
        }
    }

    fn messages() -> Vec<Message> {
        vec![
            Message::Ready {
                at: at(2500),
                state: state("before"),
            },
            Message::Started {
                at: at(2600),
                jiffies: Some(7),
            },
            Message::StepBegan {
                number: 1,
                at: at(2700),
            },
            Message::Output(b"out".to_vec()),
            Message::StepEnded {
                number: 1,
                at: at(2800),
                status: 3,
            },
            Message::StepBegan {
                number: 2,
                at: at(2800),
            },
            Message::ShellEnded { status: 4 },
            Message::Unavailable("kmemleak".to_owned()),
            Message::Finished {
                state: state("after"),
            },
        ]
    }

    #[test]
    fn messages_become_a_record() {
        let record = read(tag(), &channel(&messages()));
        assert_eq!(record.ready, Some(2.5));
        assert_eq!(record.before, Some(state("before")));
        assert_eq!(record.jiffies, Some(7));
        assert_eq!(record.steps.len(), 2);
        assert_eq!(record.steps[0].output, b"out");
        assert_eq!(record.steps[0].end.map(|end| end.status), Some(3));
        assert!(record.steps[1].end.is_none());
        assert_eq!(record.shell, Some(4));
        assert_eq!(record.unavailable, ["kmemleak"]);
        assert_eq!(record.after, Some(state("after")));
        assert!(record.finished());
    }

    #[test]
    fn a_channel_that_is_cut_anywhere_is_not_finished() {
        let bytes = channel(&messages());
        for end in 0..bytes.len() {
            assert!(!read(tag(), &bytes[..end]).finished(), "{end}");
        }
    }

    #[test]
    fn steps_out_of_order_and_later_states_before_do_not_count() {
        let mut all = messages();
        all.insert(
            3,
            Message::StepEnded {
                number: 9,
                at: at(1),
                status: 0,
            },
        );
        all.insert(
            3,
            Message::StepBegan {
                number: 7,
                at: at(1),
            },
        );
        all.push(Message::Ready {
            at: at(9),
            state: state("forged"),
        });
        let record = read(tag(), &channel(&all));
        assert_eq!(record.steps.len(), 2);
        assert_eq!(record.before, Some(state("before")));
    }

    #[test]
    fn output_after_the_last_step_belongs_to_none() {
        let mut all = messages();
        all.insert(5, Message::Output(b"late\n".to_vec()));
        let record = read(tag(), &channel(&all));
        assert_eq!(record.steps[0].output, b"out");
    }

    #[test]
    fn a_session_reads_like_a_terminal() {
        let record = read(tag(), &channel(&messages()));
        assert_eq!(
            session(["a\nb", "c"], &record.steps),
            "$ a\n> b\nout\n$ c\n"
        );
    }
}
