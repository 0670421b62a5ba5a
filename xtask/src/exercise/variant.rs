//! Variants of an exercise: values that differ from student to student.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Mark of a line with values that vary.
const MARK: &str = "//@ vary ";

/// A value that varies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vary {
    /// The value in the solution as it is, and in the exercise without a teacher.
    pub default: String,
    /// The values to choose from.
    pub values: Vec<String>,
}

/// The values of an exercise that vary, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Variants(pub BTreeMap<String, Vary>);

/// One choice of the values, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant(pub BTreeMap<String, String>);

impl Variants {
    /// Returns the choice with the default values.
    pub fn defaults(&self) -> Variant {
        let values = self.0.iter();
        Variant(
            values
                .map(|(name, vary)| (name.clone(), vary.default.clone()))
                .collect(),
        )
    }

    /// Returns the choices in which one value is not the default, each with its name and that value.
    pub fn others(&self) -> Vec<(&str, &str, Variant)> {
        let mut others = Vec::new();
        for (name, vary) in &self.0 {
            for value in vary.values.iter().filter(|value| **value != vary.default) {
                let mut variant = self.defaults();
                variant.0.insert(name.clone(), value.clone());
                others.push((&**name, &**value, variant));
            }
        }
        others
    }

    /// Returns a text with the values in place of `{{NAME}}`. Other text in braces stays: it may
    /// be a format string's.
    pub fn fill(&self, text: &str, variant: &Variant) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, vary)| {
            let value = variant.0.get(name).unwrap_or(&vary.default);
            text.replace(&format!("{{{{{name}}}}}"), value)
        })
    }

    /// Returns a line of a source with the values of a variant, without its mark.
    pub fn line(&self, line: &str, variant: &Variant) -> String {
        let line = self.fill(line, variant);
        let Some((code, names)) = line.split_once(MARK) else {
            return line;
        };
        let mut code = code.trim_end().to_owned();
        for name in names.split_whitespace() {
            if let Some(Vary { default, .. }) = self.0.get(name)
                && let Some(value) = variant.0.get(name)
            {
                code = replace_words(&code, default, value);
            }
        }
        code
    }

    /// Checks that a line of a source has the values that its mark names.
    ///
    /// # Errors
    ///
    /// Fails with the problem.
    pub fn check_line(&self, line: &str) -> Result<(), String> {
        let Some((code, names)) = line.split_once(MARK) else {
            return Ok(());
        };
        for name in names.split_whitespace() {
            let Some(Vary { default, .. }) = self.0.get(name) else {
                return Err(format!("`{name}` is not varied in task.md (`vary.{name}`)"));
            };
            if replace_words(code, default, "") == code {
                return Err(format!("this line varies `{name}`, but has no `{default}`"));
            }
        }
        Ok(())
    }

    /// Returns the first name in double braces that is not varied.
    pub fn unknown_name<'a>(&self, text: &'a str) -> Option<&'a str> {
        let mut parts = text.split("{{").skip(1);
        parts.find_map(|part| {
            let (name, _) = part.split_once("}}")?;
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            (!name.is_empty() && name.chars().all(is_name) && !self.0.contains_key(name))
                .then_some(name)
        })
    }
}

/// Replaces each `from` that is not a part of a longer word or number.
fn replace_words(text: &str, from: &str, to: &str) -> String {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(from).filter(|_| !from.is_empty()) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        result += before;
        let starts = from.starts_with(is_word) && result.ends_with(is_word);
        let ends = from.ends_with(is_word) && after.starts_with(is_word);
        result += if starts || ends { from } else { to };
        rest = after;
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_are_replaced() {
        for (text, expected) in [
            ("x / 5 > 15", "x / 7 > 15"),
            ("5", "7"),
            ("a5 5a 5.5", "a5 5a 7.7"),
            ("none", "none"),
        ] {
            assert_eq!(replace_words(text, "5", "7"), expected, "{text}");
        }
        assert_eq!(replace_words("\"a b\"", "a b", "c"), "\"c\"");
    }

    #[test]
    fn each_value_beside_the_default_is_another_choice() {
        let vary = |default: &str, values: &[&str]| Vary {
            default: default.to_owned(),
            values: values.iter().map(|&value| value.to_owned()).collect(),
        };
        let variants = [("a", vary("1", &["1", "2"])), ("b", vary("x", &["y", "z"]))];
        let variants = Variants(variants.map(|(name, vary)| (name.to_owned(), vary)).into());
        let others = variants.others();
        let filled = others.iter().map(|(name, value, variant)| {
            format!("{name} {value}: {}", variants.fill("{{a}} {{b}}", variant))
        });
        let filled: Vec<String> = filled.collect();
        assert_eq!(filled, ["a 2: 2 x", "b y: 1 y", "b z: 1 z"]);
    }

    #[test]
    fn unknown_names_are_found() {
        let variants = Variants::default();
        assert_eq!(variants.unknown_name("{{step}}"), Some("step"));
        assert_eq!(variants.unknown_name("{{}} {{ a }} {x}"), None);
    }
}
