//! Text in columns.

use ratatui::text::Span;

/// Returns the number of columns of a text.
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// Returns a text of exactly `columns` columns: filled with spaces, or cut with a mark at its end.
pub fn fit(text: &str, columns: usize, unicode: bool) -> String {
    let text = clip(text, columns, unicode);
    let missing = columns.saturating_sub(width(&text));
    text + &" ".repeat(missing)
}

/// Returns a text of at most `columns` columns, with a mark where it was cut.
pub fn clip(text: &str, columns: usize, unicode: bool) -> String {
    let text = text.replace('\t', "    ");
    if width(&text) <= columns {
        return text;
    }
    let mark = if unicode { '…' } else { '>' };
    let mut clipped = String::new();
    let mut used = 1;
    for letter in text.chars() {
        used += width(letter.encode_utf8(&mut [0; 4]));
        if used > columns {
            break;
        }
        clipped.push(letter);
    }
    if columns > 0 {
        clipped.push(mark);
    }
    clipped
}

/// Returns the end of a path in at most `columns` columns, with a mark where it was cut: the name of the
/// file says most.
pub fn clip_path(path: &str, columns: usize, unicode: bool) -> String {
    if width(path) <= columns || columns == 0 {
        return path.to_owned();
    }
    let mark = if unicode { '…' } else { '<' };
    let mut rest = path;
    while width(rest) + 1 > columns {
        let mut letters = rest.chars();
        letters.next();
        rest = letters.as_str();
    }
    // Whole names, if one fits.
    let names = rest.find('/').map_or(rest, |at| &rest[at..]);
    format!("{mark}{names}")
}

/// Divides a text into lines of at most `columns` columns at spaces. A longer word stays whole.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.trim().split("\n\n") {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && width(&line) + 1 + width(word) > columns {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line += word;
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cut_at_its_beginning() {
        let path = "/root/kernel/hello/1-first/task.md";
        assert_eq!(clip_path(path, 34, true), path);
        assert_eq!(clip_path(path, 33, true), "…/kernel/hello/1-first/task.md");
        assert_eq!(clip_path(path, 12, false), "</task.md");
        assert_eq!(clip_path(path, 6, true), "…sk.md");
        assert_eq!(clip_path("/日本/語", 5, true), "…/語");
        assert_eq!(clip_path(path, 1, true), "…");
    }

    #[test]
    fn text_is_cut_filled_and_wrapped_by_columns() {
        assert_eq!(fit("abc", 5, true), "abc  ");
        assert_eq!(fit("abcdef", 4, true), "abc…");
        assert_eq!(fit("abcdef", 4, false), "abc>");
        // Two columns each.
        assert_eq!(fit("日本語", 5, true), "日本…");
        assert_eq!(fit("日本語", 4, true), "日… ");
        assert_eq!(clip("abc", 0, true), "");
        assert_eq!(wrap("a bc\ndef g\n\nh", 4), ["a bc", "def", "g", "h"]);
        assert_eq!(wrap("", 4), [""]);
    }
}
