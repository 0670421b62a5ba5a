//! Updates of a README, and output that leaves it unchanged.

use snapbox::{assert_data_eq, file};

use super::*;
use crate::lesson::record::StepEnd;

fn recorded(steps: &[(&str, u8)]) -> Vec<RecordedStep> {
    steps
        .iter()
        .map(|(output, status)| RecordedStep {
            begin: 1.0,
            output: output.as_bytes().to_owned(),
            end: Some(StepEnd {
                status: *status,
                at: 1.0,
            }),
        })
        .collect()
}

/// Updates a README with the output of runs with these steps.
fn updated(markdown: &str, guests: &[&[(&str, u8)]]) -> Result<Option<Updated>, String> {
    let steps: Vec<Vec<RecordedStep>> = guests.iter().map(|steps| recorded(steps)).collect();
    let outputs: Vec<RunOutput<'_>> = ["x (rust)", "x (c)"]
        .iter()
        .zip(&steps)
        .map(|(name, steps)| RunOutput {
            name: (*name).to_owned(),
            steps,
        })
        .collect();
    update(markdown, Path::new("l/README.md"), &outputs)
}

fn text(markdown: &str, guests: &[&[(&str, u8)]]) -> String {
    match updated(markdown, guests) {
        Ok(Some(updated)) => updated.markdown,
        other => panic!("{other:?}"),
    }
}

const TEXT: &str = include_str!("before.md");

const LSMOD: (&str, u8) = ("x 1 0\ny 2 0\nend\n? no status\n", 0);
const LOG: &str = "[    1.000000] x: one\n[    2.010000] x: two\n";

#[test]
fn a_text_that_matches_is_not_changed() {
    let right: &[(&str, u8)] = &[("", 0), LSMOD, ("", 1), (LOG, 0)];
    assert_eq!(updated(TEXT, &[right]), Ok(None));
    assert_eq!(updated(TEXT, &[right, right]), Ok(None));
    assert_eq!(updated(TEXT, &[]), Ok(None));
}

#[test]
fn only_the_lines_that_do_not_match_are_rewritten() {
    let seen: &[(&str, u8)] = &[
        ("busy\n", 16),
        ("x 1 0\ny 2 0\nEND\n? no status\n", 0),
        ("", 0),
        (
            "[    1.000000] x: one\n[    2.500000] x: new\n[    4.510000] x: two\n",
            0,
        ),
    ];
    let Ok(Some(Updated { markdown, lines })) = updated(TEXT, &[seen, seen]) else {
        panic!();
    };
    assert_eq!(lines, [4, 5, 16, 19]);
    // The text has wildcards of its own, which `raw` compares as text.
    assert_data_eq!(&markdown, file!["after.md"].raw());
    assert_eq!(updated(&markdown, &[seen]), Ok(None));
}

#[test]
fn a_new_status_alone_keeps_the_output() {
    let text = text("```console\n$ x\n[..] y\n```\n", &[&[("a y\n", 3)]]);
    assert_eq!(text, "```console\n$ x\n? 3\n[..] y\n```\n");
}

#[test]
fn timestamps_of_the_kernel_are_not_written() {
    let text = text("```console\n$ dmesg\n```\n", &[&[(LOG, 0)]]);
    assert_eq!(text, "```console\n$ dmesg\n[..] x: one\n[..] x: two\n```\n");
}

#[test]
fn output_that_looks_like_syntax_is_still_output() {
    let rubbish = "? 3\n> x\n$ rm -rf /\n$\n```\n   ~~~~\n\n\x1b[31m [..]\n...\n";
    let text = text("```console\n$ cat x\n```\n", &[&[(rubbish, 0)]]);
    assert_eq!(
        text,
        "```console\n$ cat x\n[..] 3\n[..] x\n[..] rm -rf /\n[..]\n[..]\n   [..]~\n\n\\u{1b}[31m [..]\n...\n```\n"
    );
    assert_eq!(updated(&text, &[&[(rubbish, 0)]]), Ok(None));
}

#[test]
fn blocks_in_lists_and_quotations_and_dos_files_stay_what_they_are() {
    let listed = "1. Do:\n\n   ```console\n   $ x\n   old\n   ```\n";
    assert_eq!(
        text(listed, &[&[("a\n\nb\n", 0)]]),
        listed.replace("old", "a\n\n   b")
    );
    let quoted = "> ```console\n> $ x\n> old\n> ```\n";
    assert_eq!(
        text(quoted, &[&[("a\n\nb\n", 2)]]),
        quoted.replace("old", "? 2\n> a\n>\n> b")
    );
    let dos = "```console\r\n$ x\r\nold\r\n$ y\r\n```\r\n";
    assert_eq!(
        text(dos, &[&[("new\n", 0), ("", 0)]]),
        dos.replace("old", "new")
    );
}

#[test]
fn runs_with_different_output_change_nothing() {
    let markdown = "```console\n$ x\nold\n$ y\n```\n";
    let differ = updated(markdown, &[&[("a\n", 0), ("", 0)], &[("b\n", 0), ("", 0)]]);
    assert_eq!(
        differ,
        Err("l/README.md:2: x (rust) and x (c) print different output".to_owned())
    );
    // Even if one of them matches the text.
    for (rust, c) in [("old\n", "b\n"), ("b\n", "old\n")] {
        let differ = updated(markdown, &[&[(rust, 0), ("", 0)], &[(c, 0), ("", 0)]]);
        assert!(differ.is_err_and(|why| why.contains(":2: ")), "{rust}");
    }
    let status = updated(
        markdown,
        &[&[("old\n", 0), ("", 0)], &[("old\n", 0), ("", 1)]],
    );
    assert!(status.is_err_and(|why| why.contains(":4: ")));
}

#[test]
fn an_incomplete_run_changes_nothing() {
    let half = updated("```console\n$ x\n$ y\n```\n", &[&[("a\n", 0)]]);
    assert_eq!(half, Err("x (rust) did not run all steps".to_owned()));
}

/// Whatever a run prints, the updated README matches it and has the same commands as
/// before.
#[test]
fn an_updated_text_matches_any_output() {
    const LINES: [&str; 18] = [
        "",
        " ",
        "\t",
        "a",
        "a b",
        "...",
        "[..]",
        "[..] b",
        "[+1.0s] a",
        "[+0.0s] [..]",
        "$",
        "$ x",
        "> y",
        "? 1",
        "```",
        "   ~~~~",
        "    ```",
        "\u{1b}[0m \u{e9}",
    ];
    // Marsaglia's xorshift: the same numbers in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut number = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or(0) % below
    };
    let mut clock = 0;
    for round in 0..2000 {
        let mut pick = |stamps: bool| -> Vec<String> {
            (0..number(6))
                .map(|_| match number(LINES.len() + 4) {
                    at if at < LINES.len() => LINES[at].to_owned(),
                    _ if stamps => {
                        clock += number(4_000_000);
                        let (seconds, rest) = (clock / 1_000_000, clock % 1_000_000);
                        format!("[{seconds:>5}.{rest:06}] a")
                    }
                    _ => "b".to_owned(),
                })
                .collect()
        };
        let plain = |lines: Vec<String>| -> String {
            let syntax = ["$", ">", "?", "`", "~", " "];
            let tame = |line: &String| !syntax.iter().any(|mark| line.starts_with(mark));
            lines
                .into_iter()
                .filter(tame)
                .map(|line| line + "\n")
                .collect()
        };
        let (first, second) = (plain(pick(false)), plain(pick(false)));
        let markdown = format!("```console\n$ one\n{first}$ two\n> more\n? 3\n{second}```\n");
        let outputs = [pick(true).join("\n"), pick(true).join("\n")];
        let seen = [(outputs[0].as_str(), 0), (outputs[1].as_str(), 3)];
        match updated(&markdown, &[&seen]) {
            Ok(None) => {}
            Ok(Some(new)) => {
                let again = updated(&new.markdown, &[&seen]);
                assert_eq!(again, Ok(None), "{round}: {markdown}{outputs:?}");
            }
            Err(why) => panic!("{round}: {why}\n{markdown}{outputs:?}"),
        }
    }
}
