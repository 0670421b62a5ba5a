//! The variants of an exercise that a student gets: one for the text and the visible parts, and one
//! for the hidden parts.

use super::course_key::CourseKey;
use crate::exercise::{Exercise, Variant};

/// The values of a student.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudentVariants {
    /// The values in the student's text.
    pub shown: Variant,
    /// The values in hidden parts. They differ from the others where the source does not have them:
    /// a value that only a part's commands use, such as a parameter of the module.
    pub hidden: Variant,
}

impl StudentVariants {
    /// Chooses the values of a student; without a key, the default ones.
    pub fn choose(key: Option<&CourseKey>, exercise: &Exercise, student: &str) -> Self {
        let defaults = exercise.task.variants.defaults();
        let mut variants = Self {
            shown: defaults.clone(),
            hidden: defaults,
        };
        let Some(key) = key else {
            return variants;
        };
        for (name, vary) in &exercise.task.variants.0 {
            let chosen = |purpose, values: &[&String]| {
                let words = [purpose, student, &exercise.id, name];
                let index = key.choose(&words, values.len());
                values
                    .get(index)
                    .map_or(&vary.default, |value| *value)
                    .clone()
            };
            let all: Vec<&String> = vary.values.iter().collect();
            let shown = chosen("variant", &all);
            let others: Vec<&String> = vary
                .values
                .iter()
                .filter(|value| **value != shown)
                .collect();
            let hidden = match others.is_empty() || is_in_source(exercise, name) {
                true => shown.clone(),
                false => chosen("hidden", &others),
            };
            variants.shown.0.insert(name.clone(), shown);
            variants.hidden.0.insert(name.clone(), hidden);
        }
        variants
    }
}

/// Reports whether a solution has a value that varies: as `{{NAME}}`, or in a line that its mark
/// names.
fn is_in_source(exercise: &Exercise, name: &str) -> bool {
    let has = |line: &str| {
        let marked = line.split_once("//@ vary ").map(|(_, names)| names);
        line.contains(&format!("{{{{{name}}}}}"))
            || marked.is_some_and(|names| names.split_whitespace().any(|own| own == name))
    };
    let solutions = exercise.solutions.iter();
    solutions
        .into_iter()
        .any(|(_, solution)| solution.text.lines().any(has))
}
