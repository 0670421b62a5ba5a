//! The lines of a source that call functions.

/// Words that stand before a call, and not before the name of a function that is declared.
const BEFORE_CALLS: [&str; 8] = ["return", "else", "do", "case", "match", "if", "while", "in"];

/// Returns the first call of each of the wanted functions in a source, with its line. A declaration is not a
/// call.
pub(super) fn first_calls(source: &str, wanted: impl Fn(&str) -> bool) -> Vec<(usize, &str)> {
    let mut calls: Vec<(usize, &str)> = Vec::new();
    for (index, line) in source.lines().enumerate() {
        let code = line.trim_start();
        if code.starts_with(['*', '#']) || code.starts_with("/*") || code.starts_with("//") {
            continue;
        }
        let is_indented = code.len() < line.len();
        for before in code.split('(') {
            let (rest, name) = last_word(before);
            if wanted(name)
                && !declares(rest, is_indented)
                && calls.iter().all(|(_, known)| *known != name)
            {
                calls.push((index + 1, name));
            }
        }
    }
    calls
}

/// Reports whether the text before a name declares a function: it ends with a type. At the beginning of a line
/// a pointer's star belongs to a type, in a function's body it may be a multiplication.
fn declares(before: &str, is_indented: bool) -> bool {
    let before = before.trim_end();
    let pointee = before.trim_end_matches('*');
    if pointee.len() < before.len() && is_indented {
        return false;
    }
    let (_, word) = last_word(pointee);
    !word.is_empty() && !BEFORE_CALLS.contains(&word)
}

/// Splits a text before its last word, which is empty if the text ends otherwise.
fn last_word(text: &str) -> (&str, &str) {
    let text = text.trim_end();
    let is_other = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
    let word = text.rsplit(is_other).next().unwrap_or_default();
    text.split_at(text.len() - word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_call_of_each_function_counts() {
        let source = "// pin_get()\nint pin_got;\nint f(void)\n{\n\tif (pin_get (1) || pin_set(2))\n\
                      \t\treturn pin_get(3);\n}\n";
        let calls = first_calls(source, |name| name.starts_with("pin_"));
        assert_eq!(calls, [(5, "pin_get"), (5, "pin_set")]);
    }

    #[test]
    fn a_declaration_is_not_a_call() {
        for (source, line) in [
            ("u64 add(u32 n);\nint f(void) { return add(1); }\n", 2),
            ("extern char *add(u32 n);\nstatic int x = add(1);\n", 2),
            (
                "int f(void)\n{\n\textern int add(void);\n\tx = 2 * add(1);\n}\n",
                4,
            ),
            (
                "fn add(n: u32) -> u64;\n    unsafe { bindings::add(1) }\n",
                2,
            ),
            ("\tint x = y->add(1);\n", 1),
        ] {
            let calls = first_calls(source, |name| name == "add");
            assert_eq!(calls, [(line, "add")], "{source}");
        }
    }
}
