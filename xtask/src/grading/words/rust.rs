//! The words of a source in Rust, as rustc reads them.

use ra_ap_rustc_lexer::{Cursor, FrontmatterAllowed, TokenKind, strip_shebang};

use super::SourceWord;

/// The attribute by which a module is in another file. It is also an ordinary name of a variable.
const PATH: &str = "path";

/// Returns the identifiers and keywords of a source, raw ones without their `r#`. `path` is a word only
/// where it may be the attribute.
pub(super) fn words(text: &str) -> Vec<SourceWord> {
    let tokens = tokens(text);
    let attributes = in_attributes(&tokens);
    let may_be_moved = may_move_attributes(&tokens);
    let tokens = tokens.into_iter().zip(attributes);
    let words = tokens.filter_map(|(token, is_in_attribute)| {
        let word = token.word?;
        let counts = word.text != PATH || is_in_attribute || may_be_moved;
        counts.then_some(word)
    });
    words.collect()
}

/// A token that is not a space or a comment.
struct RustToken {
    kind: TokenKind,
    /// The identifier or keyword that it is.
    word: Option<SourceWord>,
}

impl RustToken {
    fn is(&self, text: &str) -> bool {
        self.word.as_ref().is_some_and(|word| word.text == text)
    }
}

/// Returns for each token whether it is between the brackets of an attribute, `#[...]` or `#![...]`.
fn in_attributes(tokens: &[RustToken]) -> Vec<bool> {
    let mut depth = 0_usize;
    let mut inside = Vec::with_capacity(tokens.len());
    for (index, token) in tokens.iter().enumerate() {
        let before = |back: usize| index.checked_sub(back).map(|index| tokens[index].kind);
        let begins = match before(1) {
            Some(TokenKind::Pound) => true,
            Some(TokenKind::Bang) => before(2) == Some(TokenKind::Pound),
            _ => false,
        };
        match token.kind {
            TokenKind::OpenBracket if depth > 0 || begins => depth += 1,
            TokenKind::CloseBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
        inside.push(depth > 0);
    }
    inside
}

/// Reports whether a word outside of an attribute may become one, and have an effect: if the source
/// has a macro of its own, whose parameters it can place anywhere, or a module in another file.
fn may_move_attributes(tokens: &[RustToken]) -> bool {
    let has_macro = tokens
        .iter()
        .any(|token| token.is("macro_rules") || token.is("macro"));
    let is_file = |three: &[RustToken]| three[0].is("mod") && three[2].kind == TokenKind::Semi;
    has_macro || tokens.windows(3).any(is_file)
}

/// Returns the tokens of a source.
fn tokens(text: &str) -> Vec<RustToken> {
    let mut tokens = Vec::new();
    let mut line = 1;
    // rustc strips a mark of the byte order, and then a line with `#!`.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (shebang, mut rest) = text.split_at(strip_shebang(text).unwrap_or(0));
    line += newlines(shebang);
    while !rest.is_empty() {
        let token = Cursor::new(rest, FrontmatterAllowed::No).advance_token();
        let (mut kind, mut length) = (token.kind, usize::try_from(token.len).unwrap_or(rest.len()));
        if kind == TokenKind::GuardedStrPrefix {
            // Before the edition of 2024, which no kernel uses, this is a `#` and then a string.
            (kind, length) = (TokenKind::Pound, 1);
        }
        let (token_text, after) = rest.split_at(length.clamp(1, rest.len()));
        let word = match kind {
            TokenKind::Ident | TokenKind::InvalidIdent | TokenKind::UnknownPrefix => token_text,
            TokenKind::RawIdent | TokenKind::ForcedKeywordIdent => token_text
                .split_once('#')
                .map_or(token_text, |(_, word)| word),
            _ => "",
        };
        let is_comment = matches!(
            kind,
            TokenKind::Whitespace | TokenKind::LineComment { .. } | TokenKind::BlockComment { .. }
        );
        if !is_comment {
            let word = (!word.is_empty()).then(|| SourceWord {
                line,
                text: word.to_owned(),
            });
            tokens.push(RustToken { kind, word });
        }
        line += newlines(token_text);
        rest = after;
    }
    tokens
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

    #[test]
    fn path_is_a_word_where_it_may_be_the_attribute() {
        for source in [
            "fn a() { let path = c_str!(\"x\"); f(path); path == y; }",
            "struct A { path: u8 } fn a(path: &A) -> u8 { path.path }",
            "fn path() { x[path] = path[1]; #[inline] let path = 1; }",
            "mod a { fn b(path: u8) {} }",
            "// #[path = \"x\"]\nfn path() {}",
            "const A: &str = \"#[path = 1]\"; fn path() {}",
        ] {
            assert!(!has(source, "path"), "{source}");
        }
        for source in [
            "#[path = \"x\"] mod a;",
            "#[ path=\"x\" ] mod a;",
            "#\n[\npath = \"x\"] mod a;",
            "# /* ] */ [ // ]\n /**/ path /* */ = \"x\"] mod a;",
            "#![path = \"x\"]",
            "# ! [ path = \"x\"]",
            "#[r#path = \"x\"] mod a;",
            "#[cfg_attr(all(), path = \"..\")] mod a;",
            "#[cfg_attr(all(), a[1], path = \"..\")] mod a;",
            "#![cfg_attr(all(), path = \"..\")]",
            "#[cfg_attr(all(), cfg_attr(all(), path = \"..\"))] mod a {}",
            "x!(#[path = \"x\"] mod a;);",
            // The parameters of a macro.
            "macro_rules! m { ($a:ident) => { #[$a = \"x\"] mod b {} } } m!(path);",
            "macro_rules! m { ($a:tt $($b:tt)*) => { $a [ $($b)* ] } } m!(# path = \"x\");",
            "r#macro_rules! m { () => {} } m!(path);",
            "macro m($a:ident) {} m!(path);",
            // Another crate's macro may place its parameters.
            "x!(path = \"x\"; mod a;);",
            "x!(path = \"x\"; mod r#a ;);",
        ] {
            assert!(has(source, "path"), "{source}");
        }
    }
}
