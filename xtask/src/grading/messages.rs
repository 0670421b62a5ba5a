//! Messages in results: short, and without anything of this host.

/// Longest message of a compiler or a part in a result, in characters.
const LONGEST: usize = 8_000;

/// Returns a compiler's messages without the line that names the log, a path of this host.
pub(super) fn without_paths(message: &str) -> String {
    let lines = message.lines();
    let lines: Vec<&str> = lines
        .filter(|line| !line.starts_with("the whole log: "))
        .collect();
    lines.join("\n")
}

/// Returns a message about a hang without the guest's time: of a module that keeps a CPU busy, the host
/// notices it at one moment or another.
pub(super) fn without_time(message: &str) -> &str {
    const END: &str = " s of the guest's time";
    let time = message
        .strip_suffix(END)
        .and_then(|rest| rest.rsplit_once(", after "));
    match time {
        Some((symptom, seconds)) if seconds.parse::<f64>().is_ok() => symptom,
        _ => message,
    }
}

/// Returns at most the first characters of a message.
pub(super) fn shortened(message: &str) -> String {
    let mut short: String = message.chars().take(LONGEST).collect();
    if short.len() < message.len() {
        short += "\n[..]";
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesson::verdict::Verdict;

    #[test]
    fn a_message_has_nothing_that_differs_from_run_to_run_and_an_end() {
        assert_eq!(without_paths("a\nthe whole log: /tmp/x\nb"), "a\nb");
        assert_eq!(shortened("äb"), "äb");
        // Less than a second has a decimal, and 0.96 s is `1.0 s`.
        for seconds in [None, Some(0.04), Some(0.96), Some(33.0)] {
            let hang = Verdict::Hang {
                symptom: "it keeps a CPU busy".to_owned(),
                seconds,
                report: Vec::new(),
                during: None,
            };
            let message = hang.to_string();
            assert_eq!(without_time(&message), "hung: it keeps a CPU busy");
        }
        let other = "hung: a, after b s of the guest's time";
        assert_eq!(without_time(other), other);
        assert_eq!(without_time("panic, after all"), "panic, after all");
        assert_eq!(
            shortened(&"ä".repeat(LONGEST + 1)).chars().count(),
            LONGEST + 5
        );
    }
}
