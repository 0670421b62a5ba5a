//! Wrong answers: changes of a solution, or of a lesson's module, that make a known mistake.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::lesson::TextError;
use crate::modules::Language;

/// Beginning of the first line of a unified diff.
const DIFF: &str = "--- ";

/// A wrong answer: `wrong/ITEM.rs.patch` or `wrong/ITEM.c.patch`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongAnswer {
    /// The path for messages.
    pub path: PathBuf,
    /// The file's name without the extensions.
    pub item: String,
    /// The language.
    pub language: Language,
    /// The name of the verdict that it ends in.
    pub verdict: String,
    /// The title of the part that fails.
    pub part: Option<String>,
    /// The heading of the hint that is shown, or the hint's first words.
    pub hint: Option<String>,
    /// The compiler's error code, if it does not compile.
    pub error: Option<String>,
    /// The mistake, in a sentence or two.
    pub description: String,
    diff: String,
}

impl WrongAnswer {
    /// Returns the item and the language of a file's name; none for other files.
    pub fn name(file: &Path) -> Option<(String, Language)> {
        let name = file.file_name()?.to_str()?.strip_suffix(".patch")?;
        let (item, extension) = name.rsplit_once('.')?;
        let languages = [Language::Rust, Language::C];
        let language = languages
            .into_iter()
            .find(|own| own.extension() == extension);
        Some((item.to_owned(), language?))
    }

    /// Reads the file with this text. Messages name it `path`.
    ///
    /// # Errors
    ///
    /// Fails with the line if there is no verdict, or no diff.
    pub fn parse(text: &str, path: &Path) -> Result<Self, TextError> {
        let error = |line: usize, problem: &str| TextError {
            readme: path.to_owned(),
            line: Some(line),
            problem: problem.to_owned(),
        };
        let Some((item, language)) = Self::name(path) else {
            let problem = "the name of a wrong answer is ITEM.rs.patch or ITEM.c.patch";
            return Err(error(1, problem));
        };
        let mut answer = Self {
            path: path.to_owned(),
            item,
            language,
            verdict: String::new(),
            part: None,
            hint: None,
            error: None,
            description: String::new(),
            diff: String::new(),
        };
        let is_diff = |line: &str| line.starts_with(DIFF);
        let above = text.lines().take_while(|line| !is_diff(line)).count();
        for line in text.lines().take(above) {
            let value = |key: &str| line.strip_prefix(key).map(|value| value.trim().to_owned());
            if let Some(verdict) = value("verdict:") {
                answer.verdict = verdict;
            } else if let Some(part) = value("part:") {
                answer.part = Some(part);
            } else if let Some(hint) = value("hint:") {
                answer.hint = Some(hint);
            } else if let Some(code) = value("error:") {
                answer.error = Some(code);
            } else {
                answer.description += line.trim();
                answer.description.push('\n');
            }
        }
        answer.description = answer.description.trim().to_owned();
        for line in text.lines().skip(above) {
            answer.diff += line;
            answer.diff.push('\n');
        }
        if answer.verdict.is_empty() {
            let problem = "there is no line `verdict: NAME` above the diff";
            return Err(error(1, problem));
        }
        if answer.diff.is_empty() {
            let problem = "there is no diff; it begins with a line `--- `, as `diff -u` writes it";
            return Err(error(1, problem));
        }
        let problem = match diffy::Patch::from_str(&answer.diff) {
            Ok(patch) if !patch.hunks().is_empty() => return Ok(answer),
            Ok(_) => "it changes nothing".to_owned(),
            Err(why) => why.to_string(),
        };
        let problem = format!("this is not a unified diff: {problem}");
        Err(error(above + 1, &problem))
    }

    /// Reports whether a student seems to have made the same mistake: the source has a line that the diff adds
    /// and that is not in `known`, the text of the solution and of the file that a student begins with; or, if
    /// the diff only removes lines, it has none of these. `filled` returns a line as a student would have it.
    pub fn resembles(&self, source: &str, known: &str, filled: impl Fn(&str) -> String) -> bool {
        let [lines, known] =
            [source, known].map(|text| text.lines().map(str::trim).collect::<HashSet<&str>>());
        let changes = self.changes();
        let changed = |sign: char| {
            let lines = changes.iter().flat_map(|(_, lines)| lines);
            let changed = lines.filter_map(move |line| line.strip_prefix(sign));
            let changed = changed.map(|line| filled(line).trim().to_owned());
            // Braces alone are in every source, and marks of regions in none.
            changed
                .filter(|line| line.chars().any(char::is_alphanumeric) && !line.starts_with("//@"))
        };
        match changed('+').next() {
            Some(_) => changed('+').any(|line| lines.contains(&*line) && !known.contains(&*line)),
            None => !changed('-').any(|line| lines.contains(&*line)),
        }
    }

    /// Returns the wrong answer's source, made from the file that it changes.
    ///
    /// # Errors
    ///
    /// Fails if the diff does not fit the file.
    pub fn apply(&self, source: &str) -> Result<String, TextError> {
        let applied = diffy::Patch::from_str(&self.diff)
            .map_err(|why| why.to_string())
            .and_then(|patch| diffy::apply(source, &patch).map_err(|why| why.to_string()));
        applied.map_err(|why| TextError {
            readme: self.path.clone(),
            line: None,
            problem: format!("the diff does not fit the file that it changes: {why}"),
        })
    }

    /// Returns the lines that it removes and adds, with `-` and `+`, in groups of adjacent ones. The
    /// number of a group is that of its line in the file that is changed.
    pub fn changes(&self) -> Vec<(usize, Vec<String>)> {
        let Ok(patch) = diffy::Patch::from_str(&self.diff) else {
            return Vec::new();
        };
        let mut groups: Vec<(usize, Vec<String>)> = Vec::new();
        for hunk in patch.hunks() {
            let mut number = hunk.old_range().start();
            let mut is_adjacent = false;
            for line in hunk.lines() {
                let changed = match line {
                    diffy::Line::Context(_) => None,
                    diffy::Line::Delete(text) => Some(format!("-{}", text.trim_end())),
                    diffy::Line::Insert(text) => Some(format!("+{}", text.trim_end())),
                };
                match (&changed, is_adjacent, groups.last_mut()) {
                    (Some(text), true, Some((_, lines))) => lines.push(text.clone()),
                    (Some(text), ..) => groups.push((number, vec![text.clone()])),
                    (None, ..) => {}
                }
                is_adjacent = changed.is_some();
                number += usize::from(!matches!(line, diffy::Line::Insert(_)));
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "\
verdict: hang
part: Leaves early
hint: hang in kthread_stop
The condition does not ask
whether to stop.
--- x.rs	2026-11-28 10:00:00
+++ x.rs.new	2026-11-28 10:00:01
@@ -1,3 +1,3 @@
 a
-b
+c
 d
";

    #[test]
    fn a_wrong_answer_has_a_header_and_a_diff() -> Result<(), TextError> {
        let answer = WrongAnswer::parse(PATCH, Path::new("wrong/no-stop.rs.patch"))?;
        assert_eq!(answer.item, "no-stop");
        assert_eq!(answer.language, Language::Rust);
        assert_eq!(answer.verdict, "hang");
        assert_eq!(answer.part.as_deref(), Some("Leaves early"));
        assert_eq!(answer.hint.as_deref(), Some("hang in kthread_stop"));
        assert_eq!(
            answer.description,
            "The condition does not ask\nwhether to stop."
        );
        assert_eq!(answer.apply("a\nb\nd\n")?, "a\nc\nd\n");
        assert_eq!(answer.apply("\n\na\nb\nd\n")?, "\n\na\nc\nd\n");
        let error = answer.apply("a\nx\nd\n").expect_err("another file");
        assert!(
            error
                .to_string()
                .starts_with("wrong/no-stop.rs.patch: the diff")
        );
        Ok(())
    }

    #[test]
    fn a_source_with_the_same_mistake_resembles_the_answer() -> Result<(), TextError> {
        let changes = WrongAnswer::parse(PATCH, Path::new("early.rs.patch"))?;
        let same = str::to_owned;
        for (source, known, expected) in [
            ("a\n  c\nx\n", "a\nb\nd\n", true),
            ("a\nb\nd\n", "a\nb\nd\n", false),
            // The solution has such a line elsewhere.
            ("a\n  c\nx\n", "a\nb\nd\nc\n", false),
        ] {
            assert_eq!(changes.resembles(source, known, same), expected, "{source}");
        }
        // A student's file has no marks.
        let marked = PATCH.replace("+c\n", "+c 5 //@ vary n\n");
        let marked = WrongAnswer::parse(&marked, Path::new("early.rs.patch"))?;
        assert!(marked.resembles("c 5\n", "", |line| line.replace(" //@ vary n", "")));
        let removes = PATCH.replace("+c\n", "+}\n");
        let removes = WrongAnswer::parse(&removes, Path::new("early.rs.patch"))?;
        for (source, expected) in [("a\n}\nd\n", true), ("a\n    b\n}\n", false)] {
            assert_eq!(
                removes.resembles(source, "a\nb\n", same),
                expected,
                "{source}"
            );
        }
        Ok(())
    }

    #[test]
    fn a_mistake_is_reported() {
        let path = Path::new("x.c.patch");
        for (text, expected) in [
            ("--- a\n+++ b\n", "x.c.patch:1: there is no line `verdict:"),
            ("verdict: hang\n", "x.c.patch:1: there is no diff"),
            (
                "verdict: hang\n--- a\nx\n",
                "x.c.patch:2: this is not a unified diff",
            ),
        ] {
            let error = WrongAnswer::parse(text, path).expect_err(text).to_string();
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
        assert!(WrongAnswer::parse(PATCH, Path::new("x.patch")).is_err());
    }
}
