//! The expected and the printed lines of a command, side by side.

/// A row of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiffRow {
    /// A line that the guest printed as expected.
    Same(String),
    /// An expected line, a printed line, or both, which differ.
    Differs {
        /// The line of the text; none if the guest printed more.
        expected: Option<String>,
        /// The line of the guest; none if the guest printed less.
        printed: Option<String>,
    },
}

/// Compares the lines. Lines that differ at the same place share a row.
pub fn rows(expected: &[String], printed: &[String]) -> Vec<DiffRow> {
    let joined = |lines: &[String]| -> String {
        let lines = lines.iter().map(|line| line.replace('\n', " ") + "\n");
        lines.collect()
    };
    let (expected, printed) = (joined(expected), joined(printed));
    let mut options = diffy::DiffOptions::new();
    options.set_context_len(usize::MAX);
    let patch = options.create_patch(&expected, &printed);
    if patch.hunks().is_empty() {
        let same = expected.lines();
        return same.map(|line| DiffRow::Same(line.to_owned())).collect();
    }
    let mut rows = Vec::new();
    let (mut missing, mut added) = (Vec::new(), Vec::new());
    for line in patch.hunks().iter().flat_map(|hunk| hunk.lines()) {
        match line {
            diffy::Line::Context(line) => {
                pair(&mut missing, &mut added, &mut rows);
                rows.push(DiffRow::Same(trimmed(line)));
            }
            diffy::Line::Delete(line) => missing.push(trimmed(line)),
            diffy::Line::Insert(line) => added.push(trimmed(line)),
        }
    }
    pair(&mut missing, &mut added, &mut rows);
    rows
}

/// Moves lines that are missing and lines that were added into rows.
fn pair(missing: &mut Vec<String>, added: &mut Vec<String>, rows: &mut Vec<DiffRow>) {
    for index in 0..missing.len().max(added.len()) {
        rows.push(DiffRow::Differs {
            expected: missing.get(index).cloned(),
            printed: added.get(index).cloned(),
        });
    }
    missing.clear();
    added.clear();
}

fn trimmed(line: &str) -> String {
    line.trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(expected: &[&str], printed: &[&str]) -> Vec<String> {
        let owned =
            |lines: &[&str]| -> Vec<String> { lines.iter().map(|&line| line.to_owned()).collect() };
        let rows = rows(&owned(expected), &owned(printed));
        let side = |line: Option<String>| line.unwrap_or_else(|| "-".to_owned());
        let row = |row| match row {
            DiffRow::Same(line) => format!("={line}"),
            DiffRow::Differs { expected, printed } => {
                format!("{}|{}", side(expected), side(printed))
            }
        };
        rows.into_iter().map(row).collect()
    }

    #[test]
    fn lines_that_differ_share_a_row() {
        assert_eq!(
            compared(&["a", "b", "c"], &["a", "x", "c"]),
            ["=a", "b|x", "=c"]
        );
        assert_eq!(compared(&["a", "b"], &["a"]), ["=a", "b|-"]);
        assert_eq!(compared(&[], &["a", "b"]), ["-|a", "-|b"]);
        assert_eq!(compared(&["a"], &[]), ["a|-"]);
        assert_eq!(compared(&["a"], &["a"]), ["=a"]);
        assert_eq!(compared(&[], &[]), Vec::<String>::new());
        assert_eq!(
            compared(&["a", "b", "c", "d"], &["b", "d", "e"]),
            ["a|-", "=b", "c|-", "=d", "-|e"]
        );
    }
}
