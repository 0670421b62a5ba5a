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

    #[test]
    fn a_message_has_no_path_of_a_log_and_an_end() {
        assert_eq!(without_paths("a\nthe whole log: /tmp/x\nb"), "a\nb");
        assert_eq!(shortened("äb"), "äb");
        assert_eq!(
            shortened(&"ä".repeat(LONGEST + 1)).chars().count(),
            LONGEST + 5
        );
    }
}
