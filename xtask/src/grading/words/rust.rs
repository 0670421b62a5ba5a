//! The words of a source in Rust, as rustc reads them.

use ra_ap_rustc_lexer::{Cursor, FrontmatterAllowed, TokenKind, strip_shebang};

use super::SourceWord;

/// Returns the identifiers and keywords of a source, raw ones without their `r#`.
pub(super) fn words(text: &str) -> Vec<SourceWord> {
    let mut words = Vec::new();
    let mut line = 1;
    // rustc strips a mark of the byte order, and then a line with `#!`.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (shebang, mut rest) = text.split_at(strip_shebang(text).unwrap_or(0));
    line += newlines(shebang);
    while !rest.is_empty() {
        let token = Cursor::new(rest, FrontmatterAllowed::No).advance_token();
        let mut length = usize::try_from(token.len).unwrap_or(rest.len());
        if token.kind == TokenKind::GuardedStrPrefix {
            // Before the edition of 2024, which no kernel uses, this is a `#` and then a string.
            length = 1;
        }
        let (token_text, after) = rest.split_at(length.clamp(1, rest.len()));
        let word = match token.kind {
            TokenKind::Ident | TokenKind::InvalidIdent | TokenKind::UnknownPrefix => token_text,
            TokenKind::RawIdent | TokenKind::ForcedKeywordIdent => token_text
                .split_once('#')
                .map_or(token_text, |(_, word)| word),
            _ => "",
        };
        if !word.is_empty() {
            words.push(SourceWord {
                line,
                text: word.to_owned(),
            });
        }
        line += newlines(token_text);
        rest = after;
    }
    words
}

fn newlines(text: &str) -> usize {
    text.matches('\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<(usize, String)> {
        let words = words(source).into_iter();
        words.map(|word| (word.line, word.text)).collect()
    }

    fn has(source: &str, word: &str) -> bool {
        words(source).iter().any(|found| found.text == word)
    }

    #[test]
    fn words_have_their_lines() {
        assert_eq!(
            texts("fn a() {\n    let x = 1;\n}\n"),
            [(1, "fn"), (1, "a"), (2, "let"), (2, "x")].map(|(line, word)| (line, word.into()))
        );
    }

    #[test]
    fn comments_and_strings_have_no_words() {
        for source in [
            "// unsafe",
            "/* unsafe /* unsafe */ unsafe */",
            "/// unsafe",
            "#![doc = \"unsafe\"]",
            "r#\"unsafe \" unsafe\"#",
            "b\"unsafe\"; c\"unsafe\"; br\"unsafe\"; cr#\"unsafe\"#",
            "\"\\\" unsafe\"",
            "'\"'; // unsafe",
            "#!/bin/unsafe \" \nfn",
        ] {
            assert!(!has(source, "unsafe"), "{source}");
        }
    }

    #[test]
    fn a_hidden_word_is_found() {
        for source in [
            "r#unsafe",
            "k#unsafe",
            "/* \" */ unsafe /* \" */",
            "'\"' unsafe '\"'",
            "'a unsafe",
            "#!\"\nunsafe",
            "#![x]\nunsafe",
            "\u{feff}unsafe",
            "macro_rules! m { () => { unsafe {} } }",
            // A guarded string of the next edition: here `\"#\"` is a string.
            "x!(#\"#\" unsafe)",
            "#[cfg_attr(all(), unsafe(no_mangle))]",
            "\"a\\\\\" unsafe",
            "---\nunsafe\n---",
        ] {
            assert!(has(source, "unsafe"), "{source}");
        }
    }
}
