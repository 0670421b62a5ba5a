//! The transcript of a run as a recording for `asciinema play`, in asciicast v2
//! (<https://docs.asciinema.org/manual/asciicast/v2/>). Each command appears at a
//! prompt when the guest begins it, and its output when it ends.

use serde_json::json;

use crate::lesson::compare::printed_lines;
use crate::lesson::record::RecordedStep;
use crate::lesson::transcript::Step;
use crate::lesson::verdict::Verdict;

/// Size of the recorded terminal, in characters.
const WIDTH: u32 = 100;
const HEIGHT: u32 = 30;

/// Returns the recording of the `steps` of a lesson, of which those in `ran` began.
/// Times are read from the guest's clock and count from the first command. The
/// verdict is the last line, as a comment.
pub fn text(title: &str, steps: &[Step], ran: &[RecordedStep], verdict: &Verdict) -> String {
    let header = json!({
        "version": 2,
        "width": WIDTH,
        "height": HEIGHT,
        "title": title,
    });
    let began = ran.first().map_or(0.0, |step| step.begin);
    let mut cast = CastWriter {
        text: format!("{header}\n"),
        now: 0.0,
    };
    for (step, run) in steps.iter().zip(ran) {
        cast.event(run.begin - began, &with_prompts(&step.command));
        let output: String = run
            .shown_lines()
            .iter()
            .map(|line| format!("{line}\r\n"))
            .collect();
        let end = run.end.map_or(run.begin, |end| end.at);
        if !output.is_empty() {
            cast.event(end - began, &output);
        }
    }
    let last = ran.last().and_then(|step| step.end);
    let end = last.map_or(cast.now, |end| end.at - began);
    let comment = format!("# {}: {verdict}", verdict.name());
    for line in printed_lines(comment.as_bytes()) {
        cast.event(end, &format!("{line}\r\n"));
    }
    cast.text
}

/// Returns a command with its prompts.
fn with_prompts(command: &str) -> String {
    let mut prompt = "$";
    let mut text = String::new();
    for line in printed_lines(command.as_bytes()) {
        text.push_str(&format!("{prompt} {line}\r\n"));
        prompt = ">";
    }
    text
}

struct CastWriter {
    text: String,
    now: f64,
}

impl CastWriter {
    /// Adds output that appears `at` this second, but never before earlier output: a
    /// broken guest may report any time.
    fn event(&mut self, at: f64, output: &str) {
        if at.is_finite() {
            // Fewer digits than an f64 has, so that the file is short.
            self.now = self.now.max((at * 1e6).round() / 1e6);
        }
        let event = json!([self.now, "o", output]);
        self.text.push_str(&format!("{event}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesson::record::StepEnd;

    fn ran(begin: f64, output: &[u8], end: Option<f64>) -> RecordedStep {
        RecordedStep {
            begin,
            output: output.to_owned(),
            end: end.map(|at| StepEnd { status: 0, at }),
        }
    }

    fn step(command: &str) -> Step {
        Step {
            line: 1,
            command: command.to_owned(),
            expected: Vec::new(),
            status: 0,
        }
    }

    #[test]
    fn commands_appear_at_their_begin_and_output_at_their_end() {
        let steps = [
            step("insmod x.ko"),
            step("for i in 1\ndo\n  sleep 2\ndone"),
            step("true"),
        ];
        let ran = [
            ran(2.5, b"", Some(2.75)),
            ran(3.0, b"one\ntwo\n", Some(5.0)),
        ];
        let hang = Verdict::GuestLost {
            what: "it ended in the middle of the test case".to_owned(),
            during: None,
            log: Vec::new(),
        };
        assert_eq!(
            text("x (c)", &steps, &ran, &hang),
            concat!(
                r#"{"height":30,"title":"x (c)","version":2,"width":100}"#,
                "\n",
                r#"[0.0,"o","$ insmod x.ko\r\n"]"#,
                "\n",
                r#"[0.5,"o","$ for i in 1\r\n> do\r\n>   sleep 2\r\n> done\r\n"]"#,
                "\n",
                r#"[2.5,"o","one\r\ntwo\r\n"]"#,
                "\n",
                "[2.5,\"o\",\"# guest-lost: the guest was lost: it ended in the middle of the test case\\r\\n\"]",
                "\n",
            )
        );
    }

    #[test]
    fn hostile_output_stays_one_event_a_line_with_rising_times() {
        let steps = [step("cat /dev/urandom"), step("x")];
        let rubbish = [
            b"\x1b]0;owned\x07\"\xff\xfe\0\r\n".to_vec(),
            vec![b'x'; 1 << 20],
        ]
        .concat();
        let ran = [ran(9.0, &rubbish, Some(f64::NAN)), ran(-1e9, b"", None)];
        let text = text("\u{1b}\"\n", &steps, &ran, &Verdict::Pass);
        let mut lines = text.lines().map(serde_json::from_str::<serde_json::Value>);
        let header = lines.next().and_then(Result::ok).unwrap_or_default();
        assert_eq!(header["version"], 2);
        let mut before = 0.0;
        for event in lines {
            let event = event.unwrap_or_default();
            let at = event[0].as_f64().unwrap_or(-1.0);
            assert!(at >= before);
            before = at;
            assert_eq!(event[1], "o");
            let output = event[2].as_str().unwrap_or("\u{1b}");
            assert!(
                !output
                    .chars()
                    .any(|c| c.is_control() && !"\r\n\t".contains(c))
            );
        }
    }
}
