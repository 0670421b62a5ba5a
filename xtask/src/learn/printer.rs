//! Finds the line of a module's source that printed a line of the kernel's log, by the text of its
//! format.

use crate::modules::Language;

/// A line of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrintingLine {
    /// The number, from 1.
    pub number: usize,
    /// The text, without indentation.
    pub text: String,
}

/// A call that prints: its line and the fixed pieces of its format.
struct PrintCall {
    number: usize,
    pieces: Vec<String>,
}

/// Beginnings of the names of functions and macros that print.
const PRINTERS: [&str; 3] = ["pr_", "printk", "dev_"];

/// Returns the line of the `source` that printed `line`, which the kernel logged for `module`; none
/// if there is no such line or several.
pub fn find(source: &str, language: Language, module: &str, line: &str) -> Option<PrintingLine> {
    let prefix = format!("{module}: ");
    let message = match line.find(&prefix) {
        Some(at) => &line[at + prefix.len()..],
        None => line.split_once("] ").map_or(line, |(_, message)| message),
    };
    let fixed = |call: &PrintCall| call.pieces.iter().map(String::len).sum::<usize>();
    let calls = calls(source, language);
    let matching = calls.iter();
    let matching: Vec<&PrintCall> = matching
        .filter(|call| fixed(call) > 0 && matches(message.trim_end(), &call.pieces))
        .collect();
    let most = matching.iter().map(|call| fixed(call)).max()?;
    let mut best = matching.iter().filter(|call| fixed(call) == most);
    let (Some(only), None) = (best.next(), best.next()) else {
        return None;
    };
    let text = source.lines().nth(only.number - 1)?.trim().to_owned();
    Some(PrintingLine {
        number: only.number,
        text,
    })
}

/// Returns the calls that print in a source.
fn calls(source: &str, language: Language) -> Vec<PrintCall> {
    let mut calls = Vec::new();
    let mut at = 0;
    while let Some(begin) = next_printer(&source[at..]) {
        let begin = at + begin;
        // The format is the first string within the call; between are a bracket, white space and,
        // in C, the level.
        let rest = &source[begin..];
        let quote = rest.find(['"', ';']);
        let Some(quote) = quote.filter(|quote| rest[*quote..].starts_with('"')) else {
            at = begin + 1;
            continue;
        };
        let (format, length) = literal(&rest[quote + 1..]);
        calls.push(PrintCall {
            number: 1 + source[..begin].matches('\n').count(),
            pieces: match language {
                Language::Rust => rust_pieces(&format),
                Language::C => c_pieces(&format),
            },
        });
        at = begin + quote + 1 + length;
    }
    calls
}

fn next_printer(text: &str) -> Option<usize> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let found = |name: &'static str| {
        let mut places = text.match_indices(name).map(|(at, _)| at);
        places.find(|at| !text[..*at].ends_with(is_part))
    };
    PRINTERS.into_iter().filter_map(found).min()
}

/// Returns a string literal after its first quote, and its length with the last quote.
fn literal(text: &str) -> (String, usize) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, at + 1),
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, other)) => value.push(other),
                None => break,
            },
            other => value.push(other),
        }
    }
    (value, text.len())
}

fn rust_pieces(format: &str) -> Vec<String> {
    let (mut pieces, mut piece) = (Vec::new(), String::new());
    let mut letters = format.trim_end().chars().peekable();
    while let Some(letter) = letters.next() {
        let is_double = (letter == '{' || letter == '}') && letters.peek() == Some(&letter);
        if is_double {
            letters.next();
            piece.push(letter);
        } else if letter == '{' {
            letters.by_ref().find(|letter| *letter == '}');
            pieces.push(std::mem::take(&mut piece));
        } else {
            piece.push(letter);
        }
    }
    pieces.push(piece);
    pieces
}

fn c_pieces(format: &str) -> Vec<String> {
    let (mut pieces, mut piece) = (Vec::new(), String::new());
    let mut letters = format.trim_end().chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '%' && letters.peek() == Some(&'%') {
            letters.next();
            piece.push('%');
        } else if letter == '%' {
            // Flags, width and length modifiers end with the letter of the conversion.
            letters.find(|letter| letter.is_alphabetic() && !"hlzjtL".contains(*letter));
            pieces.push(std::mem::take(&mut piece));
        } else {
            piece.push(letter);
        }
    }
    pieces.push(piece);
    pieces
}

/// Reports whether a message is the pieces in their order with anything between them.
fn matches(message: &str, pieces: &[String]) -> bool {
    let [first, middle @ .., last] = pieces else {
        return pieces.first().is_some_and(|only| only == message);
    };
    let Some(mut rest) = message.strip_prefix(&**first) else {
        return false;
    };
    for piece in middle {
        match rest.find(&**piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(&**last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(source: &str, language: Language, line: &str) -> Option<usize> {
        find(source, language, "x", line).map(|found| found.number)
    }

    #[test]
    fn rust_formats_match_their_messages() {
        let source = "fn f() {\n    pr_info!(\"i = {}\\n\", i);\n    pr_err!(\n        \
                      \"{{{:?}}} of {n}\\n\"\n    );\n    pr_info!(\"done\\n\");\n    \
                      pr_info!(\"{}\\n\", s);\n}\n";
        for (line, expected) in [
            ("[    1.000000] x: i = 5", Some(2)),
            ("[+1.0s] x: {7} of 9", Some(3)),
            ("done", Some(6)),
            ("x: done now", None),
            ("x: other", None),
        ] {
            assert_eq!(number(source, Language::Rust, line), expected, "{line}");
        }
        let found = find(source, Language::Rust, "x", "x: i = 1").expect("a line");
        assert_eq!(found.text, "pr_info!(\"i = {}\\n\", i);");
    }

    #[test]
    fn c_formats_match_their_messages() {
        let source = "\tpr_info(\"i = %5.2lld, 100%%\\n\", i);\n\
                      \tprintk(KERN_INFO \"%s left\\n\", s);\n\tpr_cont_x; \"no\"\n";
        for (line, expected) in [
            ("x: i =    5, 100%", Some(1)),
            ("x: oak left", Some(2)),
            ("x: no", None),
        ] {
            assert_eq!(number(source, Language::C, line), expected, "{line}");
        }
    }

    #[test]
    fn a_message_of_two_lines_has_no_place() {
        let source = "pr_info!(\"same\\n\");\npr_info!(\"same\\n\");\n";
        assert_eq!(number(source, Language::Rust, "x: same"), None);
    }
}
