//! The patterns by which VS Code finds the problems in the output of a task: those of rustc and clang, and the
//! headlines of kmodlab's own reports. VS Code has patterns for compilers only if certain extensions are installed.

use serde_json::{Value, json};

/// A file, relative to the folder or absolute: a path without a colon, so that no other line looks like one.
macro_rules! file {
    () => {
        r"(\.?/[^:]+)"
    };
}

/// The two lines of an error of rustc's.
const RUSTC: [&str; 2] = [
    r"^(warning|error)(?:\[(.*?)\])?: (.*)$",
    concat!(r"^ *--> ", file!(), r":(\d+):(\d+)$"),
];

/// An error of clang's, modpost's with the line of the call, or a linker's.
const CLANG: &str = concat!(
    "^",
    file!(),
    r":(\d+):(?:(\d+):)? (?:fatal )?(error|warning): (.*)$"
);

/// The headline of a report on a test case. That of a compiler's error only repeats the error.
const HEADLINE: &str = concat!(
    "^",
    file!(),
    r":(\d+): (\S+ \((?:rust|c)\): (?!a source does not compile).*)$"
);

/// An error in a manifest or a Kbuild, by itself or in a headline that names the folder.
const SETTINGS: &str = concat!(
    r"^(?:error: |[^:]+: .+: error: |[^:]+: .+: the module cannot be built: )",
    file!(),
    r":(\d+): (.*)$"
);

/// The place where a task was when the kernel stopped.
const STACK: &str = concat!(
    r"^(?:.+ \(\d+\)|the CPU) was at ",
    file!(),
    r":(\d+), in .+:$"
);

/// Returns the matchers of a task that ends.
pub(super) fn matchers() -> Value {
    Value::from(all())
}

/// Returns the matchers of a task in the background, whose work begins with its start or a line that matches
/// `begins`, and has ended at a line that matches `ends`. One matcher has these lines: with them in each, VS Code
/// shows a success although it has found problems.
pub(super) fn in_background(begins: &str, ends: &str) -> Value {
    let mut matchers = all();
    if let Some(first) = matchers.first_mut() {
        first["background"] =
            json!({"activeOnStart": true, "beginsPattern": begins, "endsPattern": ends});
    }
    Value::from(matchers)
}

fn all() -> Vec<Value> {
    let matcher = |source: &str, severity: &str, pattern: Value| {
        json!({
            "owner": "kmodlab",
            "source": source,
            "severity": severity,
            "fileLocation": ["autoDetect", "${workspaceFolder}"],
            "pattern": pattern,
        })
    };
    vec![
        matcher(
            "rustc",
            "error",
            json!([
                {"regexp": RUSTC[0], "severity": 1, "code": 2, "message": 3},
                {"regexp": RUSTC[1], "file": 1, "line": 2, "column": 3},
            ]),
        ),
        matcher(
            "clang",
            "error",
            json!({"regexp": CLANG, "file": 1, "line": 2, "column": 3, "severity": 4, "message": 5}),
        ),
        // With `line`, VS Code would take the third group for the column.
        matcher(
            "kmodlab",
            "error",
            json!({"regexp": HEADLINE, "file": 1, "location": 2, "message": 3}),
        ),
        matcher(
            "kmodlab",
            "error",
            json!({"regexp": SETTINGS, "file": 1, "location": 2, "message": 3}),
        ),
        matcher(
            "kmodlab",
            "info",
            json!({"regexp": STACK, "file": 1, "line": 2, "message": 0}),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, Result};
    use fancy_regex::Regex;

    use super::*;

    /// Returns the file and the line that a pattern finds in a line of output.
    fn place(pattern: &str, line: &str) -> Result<Option<(String, String)>> {
        let Some(groups) = Regex::new(pattern)?.captures(line)? else {
            return Ok(None);
        };
        let group = |index: usize| groups.get(index).map(|group| group.as_str().to_owned());
        Ok(Some((
            group(1).context("a file")?,
            group(2).context("a line")?,
        )))
    }

    #[test]
    fn each_line_is_one_problem() -> Result<()> {
        let patterns = [RUSTC[1], CLANG, HEADLINE, SETTINGS, STACK];
        let lines = [
            (" --> ./src/x.rs:12:5", "./src/x.rs", "12"),
            (
                "./src/x.c:3:9: error: use of undeclared identifier 'a'",
                "./src/x.c",
                "3",
            ),
            (
                "/home/a b/x.c:3:10: fatal error: 'x.h' file not found",
                "/home/a b/x.c",
                "3",
            ),
            (
                "./src/x.c:7: error: \"nope\" [x.ko] undefined!",
                "./src/x.c",
                "7",
            ),
            (
                "./tests/x.md:9: x (rust): printed something else than the text says",
                "./tests/x.md",
                "9",
            ),
            (
                "./src/x.rs:21: x (rust): the kernel crashed: Oops",
                "./src/x.rs",
                "21",
            ),
            (
                "error: ./kmodlab.toml:3: unknown field `a`",
                "./kmodlab.toml",
                "3",
            ),
            (
                ".: x (c): the module cannot be built: ./kmodlab.toml:3: unknown field `a`",
                "./kmodlab.toml",
                "3",
            ),
            (
                ".: x (c): a source does not compile: error: ./Kbuild:2: *** missing separator.  Stop.",
                "./Kbuild",
                "2",
            ),
            (
                "insmod (42) was at ./src/x.c:19, in x_init:",
                "./src/x.c",
                "19",
            ),
        ];
        for (line, file, number) in lines {
            let mut found = Vec::new();
            for pattern in patterns {
                found.extend(place(pattern, line)?);
            }
            assert_eq!(found, [(file.to_owned(), number.to_owned())], "{line}");
        }
        for line in [
            "x (c)  FAILED  does-not-compile: a source does not compile: ./src/x.c:10:1: error: a",
            "./src/x.c:10: x (c): a source does not compile: ./src/x.c:10:1: error: a",
            "note: ./src/x.c:11:25: warning: unused variable",
            "    19 |     for (;;)",
        ] {
            for pattern in patterns {
                assert_eq!(place(pattern, line)?, None, "{pattern} finds {line}");
            }
        }
        Ok(())
    }

    #[test]
    fn a_background_task_begins_at_once() {
        let matchers = in_background("^begins$", "^ends$");
        let all = matchers.as_array().map_or(&[][..], Vec::as_slice);
        assert_eq!(all.len(), 5);
        let background =
            json!({"activeOnStart": true, "beginsPattern": "^begins$", "endsPattern": "^ends$"});
        assert_eq!(all[0]["background"], background);
        assert!(
            all[1..]
                .iter()
                .all(|matcher| matcher["background"].is_null())
        );
    }
}
