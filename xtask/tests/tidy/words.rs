//! The words of comments and documents, and the openings of doc comments.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::{prose, report};

/// Words that are not used, each with the reason or the words to use.
const PHRASES: &[(&str, &str)] = &[
    (
        "told",
        "name the actor and use report, print, record or return",
    ),
    ("tell", "use report, print, record or return"),
    ("tells", "use reports, prints, records or returns"),
    ("telling", "use reporting, printing, recording or returning"),
    ("heard", "use received"),
    ("so many", "give the number or its limit: at most N"),
    ("played", "a test case runs; the past is ran"),
    ("plays", "a test case runs"),
    ("play", "a test case runs; the noun is test case or run"),
    ("playing", "a test case runs"),
    ("player", "use shell"),
    ("held up", "use delayed"),
    ("holds up", "use delays"),
    ("saved guest", "use snapshot"),
    ("saved guests", "use snapshots"),
    ("kept guest", "use snapshot"),
    ("kept guests", "use snapshots"),
    ("nonce", "use message tag"),
    ("rehearsal", "use baseline run"),
    ("kernel word", "use kernel parameter"),
    ("kernel words", "use kernel parameters"),
    ("mended twin", "use corrected version"),
    ("mended twins", "use corrected versions"),
];

/// Exceptions: the start of a path, a part of the line, and the reason.
const ALLOWED: &[(&str, &str, &str)] = &[
    (
        "modules/races/lost_wakeup",
        "heard",
        "a name and a message of the race, which its transcripts and seeds depend on",
    ),
    (
        "xtask/src/report/",
        "`asciinema play`",
        "a command of asciinema",
    ),
];

/// First words that a comment or a heading does not have.
const OPENINGS: &[&str] = &["What", "Who", "That", "Of"];

/// A word of a text.
pub(crate) struct Word<'a> {
    line: usize,
    pub text: &'a str,
    /// The characters between the word before and this one.
    gap: &'a str,
    /// The position after the word.
    end: usize,
}

/// Returns the words of a text.
pub(crate) fn words(text: &str) -> Vec<Word<'_>> {
    let letter = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '\'';
    let mut words = Vec::new();
    let mut end = 0;
    let mut line = 1;
    while let Some(start) = text[end..].find(letter).map(|at| end + at) {
        let length = text[start..]
            .find(|c| !letter(c))
            .unwrap_or(text.len() - start);
        let gap = &text[end..start];
        line += gap.matches('\n').count();
        end = start + length;
        words.push(Word {
            line,
            text: &text[start..end],
            gap,
            end,
        });
    }
    words
}

/// Returns whether the sentence that continues at `at` is a question.
fn is_question(text: &str, at: usize) -> bool {
    text[at..]
        .find(['.', '!', '?'])
        .is_some_and(|end| text[at + end..].starts_with('?'))
}

/// Returns whether the characters between two words keep them in one phrase:
/// spaces, line ends, and the signs of a comment.
fn joins(gap: &str) -> bool {
    gap.chars()
        .all(|c| c.is_whitespace() || ['/', '!', '*', '#', '\\'].contains(&c))
}

/// Finds lines that break a rule for words, and returns their numbers and the rules.
fn wrong_words(text: &str) -> Vec<(usize, String)> {
    let words = words(text);
    let mut wrong = Vec::new();
    let is = |at: usize, phrase: &str| {
        phrase.split(' ').enumerate().all(|(offset, word)| {
            words.get(at + offset).is_some_and(|found| {
                found.text.eq_ignore_ascii_case(word) && (offset == 0 || joins(found.gap))
            })
        })
    };
    for (at, word) in words.iter().enumerate() {
        for (phrase, instead) in PHRASES {
            if is(at, phrase) {
                wrong.push((word.line, format!("`{phrase}`: {instead}")));
            }
        }
        // Inside a paragraph; openings of comments and headings are another rule.
        let sentence = word.gap.trim_start_matches(')').starts_with(['.', ';']);
        if sentence && ["What", "Who"].contains(&word.text) && !is_question(text, word.end) {
            wrong.push((word.line, format!("a sentence begins with `{}`", word.text)));
        }
        let there = at > 0 && words[at - 1].text.eq_ignore_ascii_case("there");
        for verb in ["is no", "are no", "was no", "were no"] {
            if is(at, verb) && !there && !is(at + 1, "no longer") {
                wrong.push((word.line, format!("`{verb}`: use not, not a or none of")));
            }
        }
    }
    wrong
}

/// Returns the text of a line that is a comment or a heading.
fn comment<'a>(path: &str, line: &'a str) -> Option<&'a str> {
    let line = line.trim_start();
    let signs: &[&str] = match Path::new(path).extension().and_then(|end| end.to_str()) {
        Some("rs") => &["///", "//!", "//"],
        Some("c" | "h") => &["//", "/**", "/*", "*"],
        Some("md") => &["######", "#####", "####", "###", "##", "#"],
        _ => &["#"],
    };
    let comment = signs.iter().find_map(|sign| line.strip_prefix(sign))?;
    Some(comment.trim())
}

/// Finds comments and headings whose first word is one of [`OPENINGS`].
fn wrong_openings(path: &str, text: &str) -> Vec<(usize, String)> {
    let heading = path.ends_with(".md");
    let mut wrong = Vec::new();
    let mut before = "";
    for (index, line) in text.lines().enumerate() {
        let comment = comment(path, line).unwrap_or_default();
        let opens = heading || before.is_empty();
        let first = comment
            .trim_start_matches('#')
            .split_whitespace()
            .next()
            .unwrap_or_default();
        // A question in a heading or a comment is a sentence of its own.
        if opens && OPENINGS.contains(&first) && !comment.ends_with('?') {
            wrong.push((index + 1, format!("begins with `{first}`")));
        }
        before = comment;
    }
    wrong
}

/// Returns whether a line of Rust begins a function.
fn is_function(line: &str) -> bool {
    let words = line.split_whitespace();
    let mut words = words.skip_while(|word| {
        ["const", "unsafe", "extern", "\"C\""].contains(word) || word.starts_with("pub")
    });
    words.next() == Some("fn")
}

/// Finds functions whose documentation does not begin with a verb in the third person,
/// such as `Returns`. Documentation of tests may state a fact.
fn wrong_functions(path: &str, text: &str) -> Vec<(usize, String)> {
    const NO_VERBS: &[&str] = &["As", "Has", "Is", "Its", "Lines", "This", "Was", "Words"];
    if !path.ends_with(".rs") {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_doc = |line: &str| line.starts_with("///");
    let mut wrong = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if !is_doc(line) || index > 0 && is_doc(lines[index - 1]) {
            continue;
        }
        let mut item = lines[index..].iter().skip_while(|line| is_doc(line));
        let attributes = item.clone().take_while(|line| line.starts_with("#["));
        let test = attributes.clone().any(|line| *line == "#[test]");
        let item = item.nth(attributes.count()).copied().unwrap_or_default();
        let first = line[3..].split_whitespace().next().unwrap_or_default();
        let verb = first.ends_with('s')
            && !line.ends_with('?')
            && first.starts_with(|c: char| c.is_ascii_uppercase())
            && !NO_VERBS.contains(&first);
        if is_function(item) && !test && !verb && first != "#" {
            wrong.push((
                index + 1,
                "the verb is not first, as in `Returns`".to_owned(),
            ));
        }
    }
    wrong
}

#[test]
fn prose_uses_the_words_of_the_field() -> Result<()> {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (path, text) in prose()? {
        let lines: Vec<&str> = text.lines().collect();
        let mut found = wrong_words(&text);
        found.extend(wrong_openings(&path, &text));
        found.extend(wrong_functions(&path, &text));
        found.sort();
        for (number, rule) in found {
            let line = lines.get(number - 1).copied().unwrap_or_default();
            let allowed = ALLOWED
                .iter()
                .position(|(start, part, _)| path.starts_with(start) && line.contains(part));
            match allowed {
                Some(index) => _ = used.insert(index),
                None => wrong.push(format!("{path}:{number}: {rule}: {}", line.trim())),
            }
        }
    }
    for (index, (path, part, _)) in ALLOWED.iter().enumerate() {
        if !used.contains(&index) {
            wrong.push(format!("{path}: the exception {part:?} is not needed"));
        }
    }
    report(&wrong)
}

#[test]
fn words_are_found_across_lines_and_in_comments_only_as_words() {
    let lines = |text: &str| -> Vec<usize> {
        wrong_words(text)
            .into_iter()
            .map(|(line, _)| line)
            .collect()
    };
    assert_eq!(lines("/// It is\n/// no lesson."), [1]);
    assert_eq!(lines("a\nso\nmany"), [2]);
    assert_eq!(lines("He told it."), [1]);
    assert_eq!(lines("It ends. What is\n left goes."), [1]);
    for fine in [
        "It ends. What is\n left?",
        "there is no lesson",
        "it is no longer here",
        "as it is. No lesson",
        "tell_host",
        "so. Many",
    ] {
        assert_eq!(lines(fine), [0; 0], "{fine}");
    }
    let openings = |path: &str, text: &str| wrong_openings(path, text).len();
    assert_eq!(openings("x.rs", "/// What is left.\nfn x() {}"), 1);
    assert_eq!(openings("x.rs", "/// Returns\n/// What is left."), 0);
    assert_eq!(openings("x.md", "## What it is\nText\n# Who"), 2);
    assert_eq!(openings("x.c", "/* That is it. */"), 1);
    assert_eq!(openings("x.config", "# Of all.\nCONFIG_X=y"), 1);
    let functions = |text: &str| wrong_functions("x.rs", text).len();
    assert_eq!(
        functions("/// The name.\n#[inline]\npub(crate) fn name() {}"),
        1
    );
    assert_eq!(
        functions("/// Returns\n/// the name.\nconst unsafe fn name() {}"),
        0
    );
    assert_eq!(functions("/// The name.\nname: &str,"), 0);
    assert_eq!(
        functions("/// A name is there.\n#[test]\nfn a_name() {}"),
        0
    );
}
