//! Regions of a solution: the parts that a skeleton lacks.
//!
//! ```text
//! // TODO 1: sleep until `i` has passed the next multiple of {{step}}.
//! //@ 1 {
//! shared.queue.wait_event(|| shared.i.load(Relaxed) / 5 > seen); //@ vary step
//! //@ 1 } instead: let _ = shared;
//! ```
//!
//! All marks are comments, so a solution compiles as it is. [`Solution::skeleton`] replaces the
//! regions from a number on by the texts behind `instead:`, and leaves out the comments about those
//! that are filled in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::variant::{Variant, Variants};
use crate::lesson::TextError;

/// Beginning of a mark.
const MARK: &str = "//@";

/// A solution, divided into regions and the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solution {
    /// The path for messages.
    pub path: PathBuf,
    /// The file as it is.
    pub text: String,
    items: Vec<Item>,
    /// The highest number of a region.
    todos: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// A line outside of all regions.
    Line(String),
    /// A comment `// TODO 1: ...` with all its lines.
    Todo { number: u32, lines: Vec<String> },
    /// A region, with the lines that take its place in a skeleton.
    Region {
        number: u32,
        lines: Vec<String>,
        instead: Vec<String>,
    },
}

impl Solution {
    /// Reads the solution with this text. Messages name it `path`.
    ///
    /// # Errors
    ///
    /// Fails with the line if a region is not closed, or has no comment `// TODO N:`, or if a number
    /// is left out, or if a line does not have the value that it is to vary.
    pub fn parse(text: &str, path: &Path, variants: &Variants) -> Result<Self, TextError> {
        let mut reader = RegionReader {
            path,
            items: Vec::new(),
            open: None,
        };
        for (number, line) in (1..).zip(text.lines()) {
            reader.line(number, line)?;
            if let Err(problem) = variants.check_line(line) {
                return Err(reader.error(number, problem));
            }
        }
        let RegionReader { items, open, .. } = reader;
        let error = |line, problem: String| TextError {
            readme: path.to_owned(),
            line,
            problem,
        };
        if let Some(open) = open {
            let number = open.number;
            return Err(error(
                Some(open.line),
                format!("region {number} is not closed; it ends with a line `{MARK} {number} }}`"),
            ));
        }
        let todos = numbers(&items).last().copied().unwrap_or(0);
        for number in 1..=todos {
            let is_todo =
                |item: &Item| matches!(item, Item::Todo { number: own, .. } if *own == number);
            if !numbers(&items).contains(&number) || !items.iter().any(is_todo) {
                return Err(error(
                    None,
                    format!(
                        "there is a region {todos}, but not both a region {number} and a comment \
                         `// TODO {number}: ...`; regions are numbered from 1 on"
                    ),
                ));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            text: text.to_owned(),
            items,
            todos,
        })
    }

    /// Returns the highest number of a region; 0 if there is none.
    pub fn todos(&self) -> u32 {
        self.todos
    }

    /// Returns the solution with the regions from `first` on left open: `skeleton(1)` is the file
    /// that a student begins with, and `skeleton(todos() + 1)` the solution without marks.
    pub fn skeleton(&self, first: u32, variants: &Variants, variant: &Variant) -> String {
        let mut text = String::new();
        for item in &self.items {
            let lines: &[String] = match item {
                Item::Line(line) => std::slice::from_ref(line),
                Item::Todo { number, lines } if *number >= first => lines,
                Item::Todo { .. } => &[],
                Item::Region {
                    number, instead, ..
                } if *number >= first => instead,
                Item::Region { lines, .. } => lines,
            };
            for line in lines {
                text += &variants.line(line, variant);
                text.push('\n');
            }
        }
        text
    }

    /// Returns the file that a student begins with.
    pub fn start(&self, variants: &Variants, variant: &Variant) -> String {
        self.skeleton(1, variants, variant)
    }

    /// Returns the solution without marks.
    pub fn filled(&self, variants: &Variants, variant: &Variant) -> String {
        self.skeleton(self.todos + 1, variants, variant)
    }
}

/// Returns the numbers of the regions.
fn numbers(items: &[Item]) -> BTreeSet<u32> {
    let number = |item: &Item| match item {
        Item::Region { number, .. } => Some(*number),
        _ => None,
    };
    items.iter().filter_map(number).collect()
}

struct RegionReader<'a> {
    path: &'a Path,
    items: Vec<Item>,
    /// The region that the current line is in.
    open: Option<OpenRegion>,
}

struct OpenRegion {
    number: u32,
    line: usize,
    lines: Vec<String>,
}

/// A line that is only a mark.
enum Mark<'a> {
    Begin(u32),
    End(u32, Option<&'a str>),
}

impl RegionReader<'_> {
    fn error(&self, line: usize, problem: String) -> TextError {
        TextError {
            readme: self.path.to_owned(),
            line: Some(line),
            problem,
        }
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), TextError> {
        match mark(line) {
            Some(Ok(mark)) => return self.mark(number, line, &mark),
            Some(Err(())) => {
                let form = format!("`{MARK} 1 {{` or `{MARK} 1 }} instead: TEXT`");
                return Err(
                    self.error(number, format!("this mark is not understood; write {form}"))
                );
            }
            None => {}
        }
        let todo = todo_number(line);
        if let Some(open) = &mut self.open {
            if todo.is_some() {
                let (region, begun) = (open.number, open.line);
                let problem = format!(
                    "a comment `// TODO` is outside of regions, before its own; region {region}, \
                     which begins in line {begun}, is open here: it ends with a line `{MARK} {region} }}`"
                );
                return Err(self.error(number, problem));
            }
            open.lines.push(line.to_owned());
            return Ok(());
        }
        let continues = line.trim_start().starts_with("//");
        match (todo, self.items.last_mut()) {
            (Some(number), _) => self.items.push(Item::Todo {
                number,
                lines: vec![line.to_owned()],
            }),
            (None, Some(Item::Todo { lines, .. })) if continues => lines.push(line.to_owned()),
            (None, _) => self.items.push(Item::Line(line.to_owned())),
        }
        Ok(())
    }

    fn mark(&mut self, number: usize, line: &str, mark: &Mark<'_>) -> Result<(), TextError> {
        match (mark, self.open.take()) {
            (Mark::Begin(region), None) => {
                self.open = Some(OpenRegion {
                    number: *region,
                    line: number,
                    lines: Vec::new(),
                });
                Ok(())
            }
            (Mark::End(region, instead), Some(open)) if open.number == *region => {
                let indentation = &line[..line.len() - line.trim_start().len()];
                let indented = |text: &str| match text.is_empty() {
                    true => String::new(),
                    false => format!("{indentation}{text}"),
                };
                self.items.push(Item::Region {
                    number: *region,
                    lines: open.lines,
                    instead: instead
                        .iter()
                        .flat_map(|text| text.split("\\n"))
                        .map(indented)
                        .collect(),
                });
                Ok(())
            }
            (Mark::Begin(region), Some(open)) => Err(self.error(
                number,
                format!(
                    "region {region} begins within region {}, which began in line {}",
                    open.number, open.line
                ),
            )),
            (Mark::End(region, _), Some(open)) => Err(self.error(
                number,
                format!(
                    "region {region} ends, but region {} is open since line {}",
                    open.number, open.line
                ),
            )),
            (Mark::End(region, _), None) => {
                Err(self.error(number, format!("region {region} ends, but did not begin")))
            }
        }
    }
}

/// Returns the mark of a line that is nothing else; an error if the line begins like a mark.
fn mark(line: &str) -> Option<Result<Mark<'_>, ()>> {
    let rest = line.trim().strip_prefix(MARK)?.trim_start();
    let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let number = number.parse().ok().filter(|number| *number > 0);
    let mark = number.and_then(|number| match rest.trim() {
        "{" => Some(Mark::Begin(number)),
        "}" => Some(Mark::End(number, None)),
        rest => {
            let instead = rest.strip_prefix('}')?.trim_start();
            let instead = instead.strip_prefix("instead:")?;
            Some(Mark::End(number, Some(instead.trim())))
        }
    });
    Some(mark.ok_or(()))
}

/// Returns the number of a line that begins a comment `// TODO N: ...`.
fn todo_number(line: &str) -> Option<u32> {
    let rest = line.trim_start().strip_prefix("// TODO ")?;
    let (number, _) = rest.split_once(':')?;
    number.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exercise::variant::Vary;

    const SOLUTION: &str = "\
use a;
// TODO 1: bring in b.
//@ 1 {
use b;
//@ 1 }

fn main() {
    // TODO 1: call b with {{step}},
    // and then return.
    //@ 1 {
    b(5, 15); //@ vary step
    //@ 1 } instead: let _ = 5; //@ vary step
    // An ordinary comment.
    // TODO 2: call c.
    //@ 2 {
    c();
    //@ 2 } instead: one();\\ntwo();
}
";

    fn variants() -> Variants {
        let vary = Vary {
            default: "5".to_owned(),
            values: vec!["7".to_owned()],
        };
        Variants([("step".to_owned(), vary)].into())
    }

    fn error(text: &str) -> String {
        let path = Path::new("x.rs");
        let error = Solution::parse(text, path, &variants()).expect_err("a mistake");
        error.to_string()
    }

    #[test]
    fn open_regions_are_replaced_and_marks_vanish() -> Result<(), TextError> {
        let (path, variants) = (Path::new("x.rs"), variants());
        let solution = Solution::parse(SOLUTION, path, &variants)?;
        assert_eq!(solution.todos(), 2);
        let default = variants.defaults();
        assert_eq!(
            solution.start(&variants, &default),
            "use a;\n// TODO 1: bring in b.\n\nfn main() {\n    // TODO 1: call b with 5,\n    \
             // and then return.\n    let _ = 5;\n    // An ordinary comment.\n    // TODO 2: call \
             c.\n    one();\n    two();\n}\n"
        );
        assert_eq!(
            solution.skeleton(2, &variants, &default),
            "use a;\nuse b;\n\nfn main() {\n    b(5, 15);\n    // An ordinary comment.\n    \
             // TODO 2: call c.\n    one();\n    two();\n}\n"
        );
        let other = Variant([("step".to_owned(), "7".to_owned())].into());
        assert_eq!(
            solution.filled(&variants, &other),
            "use a;\nuse b;\n\nfn main() {\n    b(7, 15);\n    // An ordinary comment.\n    \
             c();\n}\n"
        );
        Ok(())
    }

    #[test]
    fn a_mistake_has_its_line() {
        let cases = [
            ("a\n//@ 1 {\nb\n", "x.rs:2: region 1 is not closed"),
            ("//@ 1 }\n", "x.rs:1: region 1 ends, but did not begin"),
            (
                "//@ 1 {\n//@ 2 {\n",
                "x.rs:2: region 2 begins within region 1",
            ),
            (
                "//@ 1 {\n\n//@ 2 }\n",
                "x.rs:3: region 2 ends, but region 1",
            ),
            ("//@ one {\n", "x.rs:1: this mark is not understood"),
            ("//@ 1 } insted: x\n", "x.rs:1: this mark is not understood"),
            (
                "//@ 1 {\n//@ 1 }\n",
                "x.rs: there is a region 1, but not both",
            ),
            (
                "// TODO 2: x\n//@ 2 {\n//@ 2 }\n",
                "x.rs: there is a region 2, but not both a region 1",
            ),
            ("//@ 1 {\n// TODO 1: x\n", "x.rs:2: a comment `// TODO`"),
            ("x = 6; //@ vary step\n", "x.rs:1: this line varies `step`"),
            ("x = 5; //@ vary stop\n", "x.rs:1: `stop` is not varied"),
        ];
        for (text, expected) in cases {
            let error = error(text);
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
    }
}
