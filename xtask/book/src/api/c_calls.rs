//! The functions and macros that a C source calls.

use std::collections::BTreeSet;

/// Words before a parenthesis that do not name a function.
const C_KEYWORDS: [&str; 10] = [
    "if", "while", "for", "switch", "return", "sizeof", "defined", "typeof", "do", "else",
];

/// Returns the functions and macros that a C source calls and does not define, sorted.
pub fn c_calls(source: &str) -> BTreeSet<String> {
    let code = without_comments(source);
    let mut calls = BTreeSet::new();
    let mut own = BTreeSet::new();
    for line in code.lines() {
        let defines = line.trim_start().strip_prefix("#define ");
        let mut word = String::new();
        let mut previous = String::new();
        for letter in line.chars() {
            if letter.is_ascii_alphanumeric() || letter == '_' {
                word.push(letter);
                continue;
            }
            if letter == '(' && word.starts_with(|first: char| !first.is_ascii_digit()) {
                // A definition begins its line with the type.
                let is_definition = !line.starts_with(char::is_whitespace)
                    && !line.starts_with('#')
                    && !previous.is_empty();
                let is_macro = defines.is_some_and(|rest| rest.starts_with(&word));
                let names = match is_definition || is_macro {
                    true => &mut own,
                    false => &mut calls,
                };
                names.insert(word.clone());
            }
            if !word.is_empty() {
                previous = std::mem::take(&mut word);
            }
        }
    }
    calls.retain(|name| !own.contains(name) && !C_KEYWORDS.contains(&name.as_str()));
    calls
}

/// Returns C code with comments, strings and characters left out.
fn without_comments(source: &str) -> String {
    let mut out = String::new();
    let mut letters = source.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('/', Some('*')) => {
                let mut last = ' ';
                letters.next();
                for letter in letters.by_ref() {
                    if (last, letter) == ('*', '/') {
                        break;
                    }
                    if letter == '\n' {
                        out.push('\n');
                    }
                    last = letter;
                }
            }
            ('/', Some('/')) => {
                let _ = letters.by_ref().find(|letter| *letter == '\n');
                out.push('\n');
            }
            ('"' | '\'', _) => {
                let mut escaped = false;
                for inner in letters.by_ref() {
                    match inner {
                        '\\' if !escaped => escaped = true,
                        inner if inner == letter && !escaped => break,
                        _ => escaped = false,
                    }
                }
                out.push('"');
            }
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_c_are_what_a_source_does_not_define() {
        let source = "/* foo(); */\n#define own(x) bar(x)\nstatic int work(int x)\n{\n\tif (x)\n\t\t\
                      pr_info(\"call me(%d)\\n\", own(x)); // baz()\n}\nmodule_init(work);\n";
        let calls: Vec<String> = c_calls(source).into_iter().collect();
        assert_eq!(calls, ["bar", "module_init", "pr_info"]);
    }
}
