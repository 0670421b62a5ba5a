//! Words that the source of a submission may not have.
//!
//! They are found token by token: a word in a comment or in a string is not a word of the program.
//! The lists keep a student's code from leaving the language (`unsafe`, `asm`), and from reading
//! files of the host at compile time (`include_str`).

mod c;
mod rust;

use crate::modules::Language;

/// A word of a source: an identifier, a keyword, or `##` in C.
#[derive(Debug)]
struct SourceWord {
    /// The line, counted from 1.
    line: usize,
    text: String,
}

/// Words that a submission in Rust may not have.
///
/// `paste` and `concat_idents` are macros of the `kernel` crate that make a word of two others. `path`
/// is the attribute only.
const FORBIDDEN_RUST: [&str; 18] = [
    "asm",
    "concat_idents",
    "env",
    "export_name",
    "extern",
    "feature",
    "global_asm",
    "include",
    "include_bytes",
    "include_str",
    "link_name",
    "link_section",
    "naked_asm",
    "no_mangle",
    "option_env",
    "paste",
    "path",
    "unsafe",
];

/// Words that a submission in C may not have. `##` makes a word of two others.
const FORBIDDEN_C: [&str; 32] = [
    "##",
    "_Pragma",
    "__CONCAT",
    "__PASTE",
    "___PASTE",
    "__asm",
    "__asm__",
    "__attribute",
    "__attribute__",
    "__has_embed",
    "__has_include",
    "__has_include_next",
    "__section",
    "CONCATENATE",
    "asm",
    "embed",
    "import",
    "inb",
    "include_next",
    "inl",
    "insb",
    "insl",
    "insw",
    "inw",
    "ioremap",
    "outb",
    "outl",
    "outsb",
    "outsl",
    "outsw",
    "outw",
    "pragma",
];

/// Returns the words that a submission in `language` may not have, without a course's own list.
pub fn forbidden_by_default(language: Language) -> &'static [&'static str] {
    match language {
        Language::Rust => &FORBIDDEN_RUST,
        Language::C => &FORBIDDEN_C,
    }
}

/// Returns the first reason for which a source is refused: a line, and a sentence.
pub fn problem(text: &str, language: Language, forbidden: &[String]) -> Option<(usize, String)> {
    let (words, include) = match language {
        Language::Rust => (rust::words(text), None),
        Language::C => {
            let tokens = c::tokens(text);
            (tokens.words, tokens.problem)
        }
    };
    let is_forbidden = |word: &&SourceWord| forbidden.contains(&word.text);
    let word = words.iter().find(is_forbidden).map(|word| {
        let sentence = format!("`{}` is not allowed in a submission", word.text);
        (word.line, sentence)
    });
    word.into_iter()
        .chain(include)
        .min_by_key(|(line, _)| *line)
}
