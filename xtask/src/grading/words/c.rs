//! The words and the `#include` lines of a source in C, as clang reads them.

use super::SourceWord;

/// Folders of the kernel's headers that a submission may include.
const HEADERS: [&str; 4] = ["linux/", "asm/", "uapi/", "kunit/"];

/// The tokens of a source that matter here.
#[derive(Debug, Default)]
pub(super) struct CTokens {
    /// Identifiers, keywords and `##`.
    pub words: Vec<SourceWord>,
    /// The first construct that is refused whatever the list of words has.
    pub problem: Option<(usize, String)>,
}

/// Returns the tokens of a source.
pub(super) fn tokens(text: &str) -> CTokens {
    let mut reader = CReader {
        letters: spliced(text),
        at: 0,
        found: CTokens::default(),
    };
    reader.read();
    reader.found
}

/// Returns the letters with their lines, without the ends of lines that continue.
fn spliced(text: &str) -> Vec<(char, usize)> {
    let mut letters = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        if letter == '\\' {
            // clang takes spaces before the end of the line too.
            let end = after.trim_start_matches([' ', '\t', '\r', '\u{b}', '\u{c}']);
            if let Some(next) = end.strip_prefix('\n') {
                line += 1;
                rest = next;
                continue;
            }
        }
        letters.push((letter, line));
        line += usize::from(letter == '\n');
        rest = after;
    }
    letters
}

struct CReader {
    letters: Vec<(char, usize)>,
    at: usize,
    found: CTokens,
}

impl CReader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.letters.get(self.at + ahead).map(|(letter, _)| *letter)
    }

    fn line(&self) -> usize {
        let last = self.letters.last();
        self.letters
            .get(self.at)
            .or(last)
            .map_or(1, |(_, line)| *line)
    }

    fn refuse(&mut self, line: usize, problem: impl Into<String>) {
        self.found.problem.get_or_insert((line, problem.into()));
    }

    fn word(&mut self, line: usize, text: String) {
        self.found.words.push(SourceWord { line, text });
    }

    fn read(&mut self) {
        let mut line_begins = true;
        while let Some(letter) = self.peek(0) {
            let began = line_begins;
            line_begins = letter == '\n' || began && letter.is_whitespace();
            match (letter, self.peek(1)) {
                ('/', Some('/')) => self.skip_until("\n", 2),
                ('/', Some('*')) => {
                    self.skip_until("*/", 2);
                    line_begins = began;
                }
                ('#', Some('#')) => self.pastes(2),
                ('%', Some(':')) if self.peek(2) == Some('%') && self.peek(3) == Some(':') => {
                    self.pastes(4);
                }
                ('#', _) => self.directive(began, 1),
                ('%', Some(':')) => self.directive(began, 2),
                ('"' | '\'', _) => self.literal(letter),
                _ if is_word(letter) => self.identifier(),
                _ => self.at += 1,
            }
        }
    }

    fn pastes(&mut self, length: usize) {
        self.word(self.line(), "##".to_owned());
        self.at += length;
    }

    /// Reads an identifier, or a number, which is not a word.
    fn identifier(&mut self) {
        let line = self.line();
        let mut text = String::new();
        while let Some(letter) = self.peek(0).filter(|letter| is_word(*letter)) {
            text.push(letter);
            self.at += 1;
        }
        if self.peek(0) == Some('"') && ["R", "LR", "uR", "UR", "u8R"].contains(&&*text) {
            self.refuse(line, "a raw string is not allowed in a submission");
        }
        if !text.starts_with(|letter: char| letter.is_ascii_digit()) {
            self.word(line, text);
        }
    }

    /// Reads a string or a character, which end with the line at the latest.
    fn literal(&mut self, quote: char) {
        self.at += 1;
        while let Some(letter) = self.peek(0) {
            self.at += match letter {
                '\\' => 2,
                _ => 1,
            };
            if letter == quote || letter == '\n' {
                break;
            }
        }
    }

    /// Reads the name of a directive, and the whole of an `#include`.
    fn directive(&mut self, line_begins: bool, length: usize) {
        self.at += length;
        self.skip_spaces();
        if !line_begins || !self.peek(0).is_some_and(is_word) {
            return;
        }
        let line = self.line();
        self.identifier();
        let include = ["include", "include_next", "import", "embed"];
        let name = self.found.words.last().map(|word| word.text.clone());
        if name.is_some_and(|name| include.contains(&&*name)) {
            self.skip_spaces();
            self.include(line);
        }
    }

    /// Checks the name of an included file.
    fn include(&mut self, line: usize) {
        let close = match self.peek(0) {
            Some('<') => '>',
            Some('"') => '"',
            _ => return self.refuse(line, "`#include` without <...> is not allowed"),
        };
        self.at += 1;
        let rest = self.letters[self.at.min(self.letters.len())..].iter();
        let name: String = rest
            .map(|(letter, _)| *letter)
            .take_while(|letter| *letter != close && *letter != '\n')
            .collect();
        self.at += name.chars().count() + 1;
        let of_kernel = HEADERS.iter().any(|folder| name.starts_with(folder));
        if close != '>' || !of_kernel || name.contains("..") || !name.ends_with(".h") {
            let name: String = name.escape_debug().take(80).collect();
            let problem = format!(
                "`{name}` is not a header of the kernel; a submission includes only <linux/...h> \
                 and <asm/...h>"
            );
            self.refuse(line, problem);
        }
    }

    /// Skips spaces and comments within a line.
    fn skip_spaces(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => self.skip_until("*/", 2),
                (Some(letter), _) if letter != '\n' && letter.is_whitespace() => self.at += 1,
                _ => return,
            }
        }
    }

    /// Skips `from` letters, and then until after `end`; a newline stays.
    fn skip_until(&mut self, end: &str, from: usize) {
        self.at += from;
        while self.at < self.letters.len() {
            let mut ahead = (0..).zip(end.chars());
            if ahead.all(|(index, letter)| self.peek(index) == Some(letter)) {
                if end != "\n" {
                    self.at += end.len();
                }
                return;
            }
            self.at += 1;
        }
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(source: &str, word: &str) -> bool {
        tokens(source).words.iter().any(|found| found.text == word)
    }

    #[test]
    fn comments_and_strings_have_no_words() {
        for source in [
            "// asm",
            "// a \\\n asm",
            "/* asm */",
            "\"asm\"",
            "\"\\\" asm\"",
            "'\"' // asm",
            "0xasm",
        ] {
            assert!(!has(source, "asm"), "{source}");
        }
    }

    #[test]
    fn a_hidden_word_is_found() {
        for source in [
            "a\\\nsm",
            "as\\ \t\nm",
            "/* \" */ asm",
            "'\"' asm '\"'",
            "\"\n asm",
            "#define X asm",
            "/* */ # /* */ asm",
            "a/**/asm",
        ] {
            assert!(has(source, "asm"), "{source}");
        }
        assert!(has("a ## b", "##"));
        assert!(has("a %:%: b", "##"));
        assert!(has("a #\\\n# b", "##"));
    }

    #[test]
    fn words_have_their_lines() {
        let words = tokens("int a; \\\n b\n/*\n*/ c").words;
        let lines: Vec<_> = words.iter().map(|word| (word.line, &*word.text)).collect();
        assert_eq!(lines, [(1, "int"), (1, "a"), (2, "b"), (4, "c")]);
    }

    #[test]
    fn only_headers_of_the_kernel_are_included() {
        for right in [
            "#include <linux/module.h>",
            "  # include <linux/module.h> // x",
            "%: include <asm/io.h>",
            "/* x */ #include /* y */ <linux/a-b.h>",
            "const char *x = \"#include </etc/passwd>\";",
            "// #include \"x\"",
        ] {
            assert_eq!(tokens(right).problem, None, "{right}");
        }
        for wrong in [
            "#include \"/etc/passwd\"",
            "#include </etc/passwd>",
            "#include <linux/../../../etc/passwd.h>",
            "#include <linux/x.c>",
            "#include \"other.c\"",
            "#include FILE",
            "int a;\n%:include \"/etc/passwd\"",
            "#inc\\\nlude \"/etc/passwd\"",
            "/* */ #include \"x\"",
            "#import \"x\"",
            "#embed \"x\"",
            "R\"( \" )\" asm",
        ] {
            assert!(tokens(wrong).problem.is_some(), "{wrong}");
        }
        let problem = tokens("\n\n#include <a.h>").problem;
        assert_eq!(problem.map(|(line, _)| line), Some(3));
    }
}
