//! Text of guests and tools, made fit for a terminal, and the parts of long text that are shown.

use std::borrow::Cow;
use std::path::Path;

/// Returns a line without trailing white space and with escaped control characters.
pub fn printable(line: &str) -> String {
    let mut printable = String::with_capacity(line.len());
    for char in line.trim_end().chars() {
        if char.is_control() && char != '\t' {
            printable.extend(char.escape_default());
        } else {
            printable.push(char);
        }
    }
    printable
}

/// Returns a line in which the mangled names of Rust functions are as in their sources.
pub fn demangled(line: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(begin) = rest.find(is_name) {
        let (before, name) = rest.split_at(begin);
        let (name, after) = name.split_at(name.find(|c| !is_name(c)).unwrap_or(name.len()));
        shown.push_str(before);
        match rustc_demangle::try_demangle(name) {
            // `#` omits the hash of the crate.
            Ok(function) => shown.push_str(&format!("{function:#}")),
            Err(_) => shown.push_str(name),
        }
        rest = after;
    }
    shown + rest
}

/// Returns the bytes that a text has in hexadecimal; `None` if it has anything else.
pub fn hexadecimal_bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    };
    pairs.map(byte).collect()
}

/// Maximum length of a line in reports and artifacts, in bytes; the kernel's longest line has
/// 1,024.
pub const MAX_LINE: usize = 4096;

/// Number of lines at the beginning and at the end of an excerpt.
const EXCERPT_LINES: usize = 10;

/// Maximum length of a line in an excerpt, in bytes.
const EXCERPT_WIDTH: usize = 300;

/// Returns a line as [`printable`] does; of a very long line, its beginning and the length of
/// the rest.
pub fn printable_start(line: &[u8]) -> String {
    start(line, MAX_LINE)
}

/// Returns a line without the bytes behind `width`.
fn start(line: &[u8], width: usize) -> String {
    let shown = line.len().min(width);
    let start = printable(&String::from_utf8_lossy(&line[..shown]));
    match line.len() - shown {
        0 => start,
        bytes => format!("{start}... ({bytes} more bytes)"),
    }
}

/// Returns the first and the last lines of some output, and the number of the lines between.
pub fn excerpt(output: &[u8]) -> Vec<String> {
    let output = output.strip_suffix(b"\n").unwrap_or(output);
    if output.is_empty() {
        return Vec::new();
    }
    let is_end = |byte: &u8| *byte == b'\n';
    let lines = 1 + output.iter().filter(|byte| is_end(byte)).count();
    let shown = |line: &[u8]| start(line, EXCERPT_WIDTH);
    let Some(between) = lines.checked_sub(2 * EXCERPT_LINES + 1) else {
        return output.split(is_end).map(shown).collect();
    };
    let first = output.split(is_end).take(EXCERPT_LINES).map(shown);
    let last = output.rsplit(is_end).take(EXCERPT_LINES).map(shown);
    let mut last: Vec<String> = last.collect();
    last.reverse();
    let middle = format!("... {} more lines ...", between + 1);
    first.chain([middle]).chain(last).collect()
}

/// Returns the first lines of one end of some output and the last lines of its other end.
pub fn excerpt_of_ends(first: &[u8], last: &[u8]) -> Vec<String> {
    let is_end = |byte: &u8| *byte == b'\n';
    let shown = |line: &[u8]| start(line, EXCERPT_WIDTH);
    let first = first.split(is_end).take(EXCERPT_LINES).map(shown);
    let last = last.strip_suffix(b"\n").unwrap_or(last);
    let mut last: Vec<String> = last.rsplit(is_end).take(EXCERPT_LINES).map(shown).collect();
    last.reverse();
    let middle = "... the lines between are left out ...".to_owned();
    first.chain([middle]).chain(last).collect()
}

/// The beginning and the end of a long text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends<'a> {
    /// The first bytes.
    pub first: &'a [u8],
    /// The number of bytes between.
    pub left_out: usize,
    /// The last bytes.
    pub last: &'a [u8],
}

impl<'a> Ends<'a> {
    /// Returns the beginning and the end of a text that is longer than `longest` bytes, where
    /// possible in whole lines.
    pub fn of(text: &'a [u8], longest: usize) -> Option<Self> {
        if text.len() <= longest {
            return None;
        }
        let half = longest / 2;
        let (first, rest) = text.split_at(half);
        let last = &rest[rest.len() - half..];
        let end = first.iter().rposition(|byte| *byte == b'\n');
        let first = &first[..end.map_or(half, |end| end + 1)];
        let begin = last.iter().position(|byte| *byte == b'\n');
        let last = &last[begin.map_or(0, |begin| begin + 1)..];
        Some(Self {
            first,
            left_out: text.len() - first.len() - last.len(),
            last,
        })
    }

    /// Returns the line in place of the bytes between.
    pub fn note(&self) -> String {
        format!("... {} bytes are left out here ...", self.left_out)
    }
}

/// Returns a path as one word for a POSIX shell, for commands that a user copies.
pub fn shell_word(path: &Path) -> String {
    let path = path.to_string_lossy();
    // Only a NUL cannot be quoted, and no path has one.
    let quoted = shlex::try_quote(&path).map(Cow::into_owned);
    quoted.unwrap_or_else(|_| path.clone().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_two_digits_each() {
        assert_eq!(hexadecimal_bytes("00ff10"), Some(vec![0, 255, 16]));
        assert_eq!(hexadecimal_bytes(""), Some(Vec::new()));
        for wrong in ["0", "00f", "00ffé", "00zz"] {
            assert_eq!(hexadecimal_bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_of_rust_are_demangled_and_others_kept() {
        assert_eq!(
            demangled("race in _RNvCs3tpkfqbohTA_11unsafe_list6cancel [unsafe_list] / _R é f+0x1"),
            "race in unsafe_list::cancel [unsafe_list] / _R é f+0x1"
        );
        assert_eq!(demangled(""), "");
    }

    #[test]
    fn an_excerpt_has_both_ends() {
        assert_eq!(excerpt(b""), [""; 0]);
        assert_eq!(excerpt(b"a\n\nb\n"), ["a", "", "b"]);
        let count = |lines: usize| {
            let text: String = (1..=lines).map(|line| format!("{line}\n")).collect();
            excerpt(text.as_bytes())
        };
        assert_eq!(count(20).len(), 20);
        let long = count(100_000);
        assert_eq!(long.len(), 21);
        assert_eq!(long[9..12], ["10", "... 99980 more lines ...", "99991"]);
        assert_eq!(long[20], "100000");
        assert_eq!(count(21)[10], "... 1 more lines ...");
    }

    #[test]
    fn a_long_line_is_cut() {
        let line = excerpt(&vec![0; 1 << 20]);
        assert_eq!(line.len(), 1);
        assert!(line[0].starts_with("\\u{0}\\u{0}"));
        assert!(line[0].ends_with("... (1048276 more bytes)"));
        // In the middle of a character.
        let euros = "€".repeat(2000);
        assert!(printable_start(euros.as_bytes()).ends_with("€\u{fffd}... (1904 more bytes)"));
    }

    #[test]
    fn ends_are_whole_lines() {
        let text = "line\n".repeat(1000);
        assert_eq!(Ends::of(text.as_bytes(), 5000), None);
        let ends = Ends::of(text.as_bytes(), 1001).expect("it is longer");
        assert_eq!(ends.first, "line\n".repeat(100).as_bytes());
        assert_eq!(ends.last, "line\n".repeat(99).as_bytes());
        assert_eq!(ends.left_out, 5000 - 995);
        let ends = Ends::of(&[0; 100], 10).expect("it is longer");
        assert_eq!((ends.first, ends.left_out), (&[0; 5][..], 90));
    }

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(shell_word(Path::new("/a/b.txt")), "/a/b.txt");
        for path in ["/ä b/FILE", "a'b", "$(id)", "a\"b;c", "-x y"] {
            let words = shlex::split(&shell_word(Path::new(path)));
            assert_eq!(words, Some(vec![path.to_owned()]), "{path}");
        }
    }
}
