//! Options and environment variables that documents name exist.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::words::{Word, words};
use crate::{FOREIGN, files, is_in, report};

/// Returns the long options in a text.
fn options(text: &str) -> BTreeSet<&str> {
    let ends = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("--") {
        let option = text[at..].split(ends).next().unwrap_or_default();
        let free = text[..at].ends_with([' ', '\n', '`', '[', '(']) || at == 0;
        if free && option.len() > 3 && !option[2..].starts_with('-') {
            found.insert(option);
        }
    }
    found
}

/// Returns the names of the subcommands in the text of a `--help`.
fn subcommand_names(help: &str) -> impl Iterator<Item = &str> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
}

/// Returns the subcommands in xtask's `--help`, each with its own options and those of its own
/// subcommands.
fn subcommands() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let help = |args: &[&str]| -> Result<String> {
        let xtask = env!("CARGO_BIN_EXE_xtask");
        let output = Command::new(xtask).args(args).arg("--help").output()?;
        ensure!(output.status.success(), "{args:?}: {}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    };
    let all = help(&[])?;
    let mut commands = BTreeMap::new();
    for name in subcommand_names(&all) {
        let mut text = help(&[name])?;
        for inner in subcommand_names(&text.clone()) {
            text += &help(&[name, inner])?;
        }
        let options = options(&text).into_iter().map(str::to_owned).collect();
        commands.insert(name.to_owned(), options);
    }
    Ok(commands)
}

/// Options of other programs that documents name.
const OTHERS_OPTIONS: &[(&str, &str)] = &[
    ("--bin", "cargo install"),
    ("--path", "cargo install"),
    ("--locked", "cargo install"),
    ("--test", "cargo test"),
    ("--network", "podman run"),
    ("--read-only", "podman run"),
    ("--rm", "podman run"),
    ("--bind", "bwrap"),
    ("--cap-drop", "bwrap"),
    ("--dev", "bwrap"),
    ("--die-with-parent", "bwrap"),
    ("--gid", "bwrap"),
    ("--new-session", "bwrap"),
    ("--proc", "bwrap"),
    ("--remount-ro", "bwrap"),
    ("--ro-bind", "bwrap"),
    ("--ro-bind-try", "bwrap"),
    ("--tmpfs", "bwrap"),
    ("--uid", "bwrap"),
    ("--unshare-all", "bwrap"),
];

#[test]
fn options_in_documents_exist() -> Result<()> {
    let commands = subcommands()?;
    ensure!(commands.len() > 5, "{} subcommands", commands.len());
    let every: BTreeSet<&str> = commands.values().flatten().map(String::as_str).collect();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (path, file) in files()? {
        if !path.ends_with(".md") || is_in(&path, FOREIGN) {
            continue;
        }
        let text = std::fs::read_to_string(&file)?;
        for (index, line) in text.lines().enumerate() {
            // A line with a command has options of this command; elsewhere an
            // option may belong to any.
            let command = line.split_once("cargo xtask ").map(|(_, rest)| rest);
            let name = command.and_then(|rest| {
                let end = rest.find(|c: char| !c.is_ascii_lowercase());
                rest.get(..end.unwrap_or(rest.len()))
            });
            let own = name.filter(|name| !name.is_empty()).map(|name| {
                commands
                    .get(name)
                    .with_context(|| format!("{path}:{}: no subcommand `{name}`", index + 1))
            });
            let own = own.transpose()?;
            let code = command.map(|rest| rest.split(['`', '#']).next().unwrap_or(rest));
            let (in_command, rest) = match code {
                Some(code) => (options(code), line.replacen(code, "", 1)),
                None => (BTreeSet::new(), line.to_owned()),
            };
            let exists = |option: &&str| {
                every.contains(option) || OTHERS_OPTIONS.iter().any(|(other, _)| other == option)
            };
            let missing = in_command
                .iter()
                .copied()
                .filter(|option| !own.is_some_and(|own| own.contains(*option)))
                .chain(options(&rest).into_iter().filter(|option| !exists(option)));
            for option in missing {
                wrong.push(format!("{path}:{}: no option {option}", index + 1));
            }
            checked += in_command.len();
        }
    }
    ensure!(checked > 20, "only {checked} options found");
    report(&wrong)
}

/// Environment variables of the agent in a guest, which kmodlab itself sets.
const GUEST_VARIABLES: &[&str] = &[
    "KMODLAB_CHANNEL",
    "KMODLAB_COLUMNS",
    "KMODLAB_ROWS",
    "KMODLAB_SCRIPT",
];

/// Returns the names of kmodlab's environment variables in a text.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let name = |word: &Word<'_>| {
        word.text.starts_with("KMODLAB_") && !GUEST_VARIABLES.contains(&word.text)
    };
    words(text).into_iter().filter(name).map(|word| word.text)
}

#[test]
fn variables_in_documents_are_read_and_all_are_documented() -> Result<()> {
    let mut read = BTreeSet::new();
    let mut documented = BTreeSet::new();
    for (path, file) in files()? {
        let names = if is_in(&path, &["docs/", "README.md"]) {
            &mut documented
        } else if is_in(&path, &["xtask/"]) && path.ends_with(".rs") && !is_in(&path, FOREIGN) {
            &mut read
        } else {
            continue;
        };
        let text = std::fs::read_to_string(&file)?;
        names.extend(variables(&text).map(str::to_owned));
    }
    assert_eq!(documented, read);
    Ok(())
}
