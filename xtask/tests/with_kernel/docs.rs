//! The output that documents show: the commands run, and print the same.
//!
//! A comment before a block of a document names the command:
//!
//! ```text
//! <!-- output of: cargo xtask test kthread_run -->
//! <!-- output of: cargo xtask test fails_deadlock (lesson from modules/tests) -->
//! <!-- output of: cargo xtask test NAME --schedules 100 (these versions only) -->
//! <!-- session of: cargo xtask qemu kthread_run; typed: insmod kthread_run.ko, poweroff -->
//! ```
//!
//! `...` and `[..]` mean the same as in a lesson's text. Durations on the host are
//! not compared. Other numbers are, where Linux, QEMU and rustc have the versions
//! that the README's comment `<!-- outputs: ... -->` names; with other versions, the
//! order of events may differ, so some blocks are not compared at all.
//!
//! `SNAPSHOTS=overwrite` in the environment writes the printed output into the
//! documents. Lines between two `...` become the printed ones that are most similar;
//! if none are, the test fails and shows the output, and a person selects the lines.

mod alignment;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use xtask::lesson::compare::printed_lines;

use alignment::{ELISION, aligned, most_similar, without_numbers};

use crate::lab::{TestClone, XtaskOutput, original, run, words, xtask};

const OUTPUT: &str = "<!-- output of: cargo xtask ";
const SESSION: &str = "<!-- session of: cargo xtask ";
const VERSIONS: &str = "<!-- outputs: ";
const END: &str = " -->";

/// The lesson is a module of `modules/tests`, whose name is the last word.
const FROM_TESTS: &str = " (lesson from modules/tests)";

/// The order of events depends on the versions of Linux, QEMU and rustc.
const THESE_VERSIONS: &str = " (these versions only)";

/// A block of a document after a comment.
struct Block {
    document: PathBuf,
    /// Number of the comment's line, from 0. The fence follows.
    at: usize,
    /// The comment without its beginning and end.
    command: String,
    lines: Vec<String>,
}

/// Returns the text between the two parts of a comment.
fn comment<'a>(line: &'a str, begin: &str) -> Option<&'a str> {
    line.strip_prefix(begin)?.strip_suffix(END)
}

/// Returns the paths of README.md and of the documents in `docs/`.
fn documents() -> Result<Vec<PathBuf>> {
    let mut documents = vec![original().join("README.md")];
    for entry in std::fs::read_dir(original().join("docs"))? {
        documents.push(entry?.path());
    }
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.sort();
    Ok(documents)
}

/// Returns the blocks after comments with this beginning.
fn blocks(begin: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    for document in documents()? {
        let text = std::fs::read_to_string(&document)?;
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(command) = comment(line, begin) else {
                continue;
            };
            let fence = lines.get(at + 1).copied();
            ensure!(
                fence == Some("```text"),
                "{}:{at}: no block",
                document.display()
            );
            let block = lines[at + 2..].iter().take_while(|line| **line != "```");
            blocks.push(Block {
                document: document.clone(),
                at,
                command: command.to_owned(),
                lines: block.map(|line| (*line).to_owned()).collect(),
            });
        }
    }
    ensure!(
        !blocks.is_empty(),
        "no document has a block after `{begin}`"
    );
    Ok(blocks)
}

/// Runs the command of a block.
fn ended(command: &str, timelines: &Path) -> Result<XtaskOutput> {
    let replaced = command.replace("--timeline out", "--timeline OUT");
    let (command, from_tests) = match replaced.strip_suffix(FROM_TESTS) {
        Some(command) => (command, true),
        None => (replaced.as_str(), false),
    };
    let timelines = timelines.display().to_string();
    let arguments: Vec<&str> = words(command)
        .into_iter()
        .map(|word| if word == "OUT" { &timelines } else { word })
        .collect();
    if from_tests {
        let lesson = arguments.last().context("no lesson")?;
        return TestClone::with_tests(&[lesson])?.run(&arguments);
    }
    run(&mut xtask(original(), &arguments))
}

/// Returns whether Linux, QEMU and rustc, which compiles the agent, have the versions
/// that the README names.
fn same_versions() -> Result<bool> {
    let readme = std::fs::read_to_string(original().join("README.md"))?;
    let named = readme.lines().find_map(|line| comment(line, VERSIONS));
    let named: Vec<&str> = named
        .context("README.md names no versions of its outputs")?
        .split([',', ' '])
        .filter(|word| !word.is_empty())
        .collect();
    let ["Linux", linux, "QEMU", qemu, "rustc", rustc] = named[..] else {
        bail!("README.md names other programs than Linux, QEMU and rustc: {named:?}");
    };
    let prints = |program: &str, version: &str| -> Result<bool> {
        let output = Command::new(program).arg("--version").output()?;
        Ok(words(String::from_utf8(output.stdout)?.trim()).contains(&version))
    };
    let built = run(&mut xtask(original(), &["build"]))?;
    built.expect(0, &[])?;
    Ok(built.stdout.contains(&format!("/kernels/{linux}-"))
        && prints("qemu-system-x86_64", qemu)?
        && prints("rustc", rustc)?)
}

/// Writes new lines into a document.
fn write(block: &Block, lines: &[String]) -> Result<()> {
    let text = std::fs::read_to_string(&block.document)?;
    let before: Vec<&str> = text.lines().collect();
    let begin = block.at + 2;
    let end = begin + block.lines.len();
    let all = before[..begin].iter().copied();
    let all = all.chain(lines.iter().map(String::as_str));
    let all: Vec<&str> = all.chain(before[end..].iter().copied()).collect();
    Ok(std::fs::write(&block.document, all.join("\n") + "\n")?)
}

#[test]
fn the_output_in_documents_is_what_the_commands_print() -> Result<()> {
    let overwrite = std::env::var("SNAPSHOTS").is_ok_and(|value| value == "overwrite");
    let exact = same_versions()?;
    let timelines = tempfile::tempdir()?;
    let mut ended_before: HashMap<String, Vec<String>> = HashMap::new();
    let mut wrong = Vec::new();
    // From the last to the first: a block's new lines move those below it.
    for block in blocks(OUTPUT)?.iter().rev() {
        let command = match block.command.strip_suffix(THESE_VERSIONS) {
            Some(_) if !exact => continue,
            Some(command) => command,
            None => &block.command,
        };
        let printed = match ended_before.get(command) {
            Some(printed) => printed,
            None => {
                let ended = ended(command, timelines.path())?;
                ensure!([0, 1].contains(&ended.status), "{}", ended.printed());
                // The comments in source lines by which other tests find them.
                let plain = |line: &String| line.split(" // marker:").next().map(str::to_owned);
                let lines = printed_lines(ended.stdout.as_bytes());
                let lines = lines.iter().filter_map(plain).collect();
                ended_before.entry(command.to_owned()).or_insert(lines)
            }
        };
        let shape = aligned(&block.lines, printed, without_numbers);
        let right = match exact {
            true => shape.as_ref() == Some(&block.lines),
            false => shape.is_some(),
        };
        if right {
            continue;
        }
        let lines = shape.or_else(|| most_similar(&block.lines, printed));
        let by_hand = lines.is_none() && block.lines.iter().any(|line| line == ELISION);
        let lines = lines.unwrap_or_else(|| printed.clone());
        if overwrite && !by_hand {
            write(block, &lines)?;
            continue;
        }
        wrong.push(format!(
            "{}:{}: `cargo xtask {}` prints\n{}\nand not\n{}",
            block.document.display(),
            block.at + 1,
            block.command,
            lines.join("\n"),
            block.lines.join("\n")
        ));
    }
    ensure!(
        wrong.is_empty(),
        "{}\n(SNAPSHOTS=overwrite writes the output into the documents)",
        wrong.join("\n\n")
    );
    Ok(())
}

/// Types each command of a session after the guest has printed the lines before it. Every line
/// of the block must come, in this order; timestamps are not compared.
fn converse(block: &Block) -> Result<()> {
    const PROMPT: &str = "kmodlab:/root# ";
    let (command, typed) = block.command.split_once("; typed: ").context("typed:")?;
    let mut typed = typed.split(", ").peekable();
    let mut arguments = words(command);
    arguments.extend(["--accel", "tcg"]);
    // Without a terminal, the guest would get the whole input as a script.
    let mut keys = std::fs::File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?);
    grantpt(&keys)?;
    unlockpt(&keys)?;
    let terminal = ptsname(&keys, Vec::new())?.into_string()?;
    let terminal = std::fs::File::options()
        .read(true)
        .write(true)
        .open(terminal)?;
    let mut child = xtask(original(), &arguments)
        .stdin(terminal)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let screen = BufReader::new(child.stdout.take().context("stdout")?);
    let mut screen = screen.lines();
    // A prompt has no line end: the line that it begins ends later.
    let text = |line: &str| -> String {
        let line = line.replace("\u{1b}[6n", "").trim_end().to_owned();
        let line = line.strip_prefix(PROMPT).unwrap_or(&line).to_owned();
        let stamped = line.split_once("] ").filter(|_| line.starts_with('['));
        stamped.map_or(line.clone(), |(_, text)| text.to_owned())
    };
    for line in &block.lines {
        let wanted = without_numbers(&text(line));
        if typed.peek().is_some_and(|command| *command == text(line)) {
            keys.write_all(format!("{}\n", text(line)).as_bytes())?;
            typed.next();
            continue;
        }
        loop {
            let Some(came) = screen.next() else {
                bail!("{}: {line:?} did not come", block.document.display());
            };
            if without_numbers(&text(&came?)) == wanted {
                break;
            }
        }
    }
    ensure!(typed.next().is_none(), "a command is not in the block");
    for _ in screen {}
    ensure!(child.wait()?.success(), "xtask failed");
    Ok(())
}

#[test]
fn the_sessions_in_documents_go_as_shown() -> Result<()> {
    for block in blocks(SESSION)? {
        converse(&block)?;
    }
    Ok(())
}
