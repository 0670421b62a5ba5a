//! The rules of the repository that a script can keep: wording of comments and
//! documents, links, options that documents name, unique names of types.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use xtask::workspace::Workspace;

/// Folders and files that are still to be rewritten, as prefixes of paths.
const PENDING: &[&str] = &["xtask/tests/with_kernel/"];

/// Text that nobody here wrote or that must stay as it is, as prefixes of paths.
const FOREIGN: &[&str] = &[
    // Patches quote the kernel's code, and their texts are commit messages.
    "kernel-config/patches/",
    // Inputs of the fuzzer.
    "xtask/fuzz/corpus/",
    // The rules themselves.
    "xtask/tests/tidy.rs",
];

/// Words that are not used, each with the reason or the words to use.
const PHRASES: &[(&str, &str)] = &[
    (
        "told",
        "name the actor and use report, print, record or return",
    ),
    ("tell", "use report, print, record or return"),
    ("tells", "use reports, prints, records or returns"),
    ("telling", "use reporting, printing, recording or returning"),
    ("heard", "use received"),
    ("so many", "give the number or its limit: at most N"),
    ("played", "a test case runs; the past is ran"),
    ("plays", "a test case runs"),
    ("play", "a test case runs; the noun is test case or run"),
    ("playing", "a test case runs"),
    ("player", "use shell"),
    ("held up", "use delayed"),
    ("holds up", "use delays"),
    ("saved guest", "use snapshot"),
    ("saved guests", "use snapshots"),
    ("kept guest", "use snapshot"),
    ("kept guests", "use snapshots"),
    ("nonce", "use message tag"),
    ("rehearsal", "use baseline run"),
    ("kernel word", "use kernel parameter"),
    ("kernel words", "use kernel parameters"),
    ("mended twin", "use corrected version"),
    ("mended twins", "use corrected versions"),
];

/// Exceptions: the start of a path, a part of the line, and the reason.
const ALLOWED: &[(&str, &str, &str)] = &[
    (
        "modules/races/lost_wakeup",
        "heard",
        "a name and a message of the race, which its transcripts and seeds depend on",
    ),
    (
        "xtask/src/report/",
        "`asciinema play`",
        "a command of asciinema",
    ),
];

/// First words that a comment or a heading does not have.
const OPENINGS: &[&str] = &["What", "Who", "That", "Of"];

/// Returns the files with prose or code: paths relative to the clone, and absolute.
fn files() -> Result<Vec<(String, PathBuf)>> {
    const FOLDERS: &[&str] = &[
        ".cargo",
        ".ci",
        "ci",
        "docs",
        "initramfs",
        "kernel-config",
        "modules",
        "xtask",
    ];
    let root = Workspace::find()?.root().to_owned();
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|name| root.join(name)).collect();
    found.push(root.join("README.md"));
    found.push(root.join("Cargo.toml"));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                // A build's results, such as those of `cargo fuzz`.
                if !["target", "artifacts"]
                    .map(Into::into)
                    .contains(&entry.file_name())
                {
                    folders.push(entry.path());
                }
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    let relative =
        |path: &Path| -> Result<String> { Ok(path.strip_prefix(&root)?.display().to_string()) };
    found
        .into_iter()
        .map(|path| Ok((relative(&path)?, path)))
        .collect()
}

/// Returns whether one of the prefixes is at the start of the path.
fn is_in(path: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| path.starts_with(prefix))
}

/// Returns the files with prose to check, and their texts. Fenced blocks of documents
/// are empty lines: they are code and output.
fn prose() -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for (path, file) in files()? {
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        let known = ["", "rs", "c", "h", "md", "toml", "config", "yml", "sh"];
        if is_in(&path, PENDING) || is_in(&path, FOREIGN) || !known.contains(&&*extension) {
            continue;
        }
        let text = std::fs::read_to_string(&file).with_context(|| path.clone())?;
        let text = match &*extension {
            "md" => without_blocks(&text),
            _ => text,
        };
        all.push((path, text));
    }
    Ok(all)
}

/// Returns a document with the lines of its fenced blocks emptied.
fn without_blocks(markdown: &str) -> String {
    let mut inside = false;
    let lines = markdown.lines().map(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        if inside || fence { "" } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A word of a text.
struct Word<'a> {
    line: usize,
    text: &'a str,
    /// The characters between the word before and this one.
    gap: &'a str,
    /// The position after the word.
    end: usize,
}

/// Returns the words of a text.
fn words(text: &str) -> Vec<Word<'_>> {
    let letter = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '\'';
    let mut words = Vec::new();
    let mut end = 0;
    let mut line = 1;
    while let Some(start) = text[end..].find(letter).map(|at| end + at) {
        let length = text[start..]
            .find(|c| !letter(c))
            .unwrap_or(text.len() - start);
        let gap = &text[end..start];
        line += gap.matches('\n').count();
        end = start + length;
        words.push(Word {
            line,
            text: &text[start..end],
            gap,
            end,
        });
    }
    words
}

/// Returns whether the sentence that continues at `at` is a question.
fn is_question(text: &str, at: usize) -> bool {
    text[at..]
        .find(['.', '!', '?'])
        .is_some_and(|end| text[at + end..].starts_with('?'))
}

/// Returns whether the characters between two words keep them in one phrase:
/// spaces, line ends, and the signs of a comment.
fn joins(gap: &str) -> bool {
    gap.chars()
        .all(|c| c.is_whitespace() || ['/', '!', '*', '#', '\\'].contains(&c))
}

/// Finds lines that break a rule for words, and returns their numbers and the rules.
fn wrong_words(text: &str) -> Vec<(usize, String)> {
    let words = words(text);
    let mut wrong = Vec::new();
    let is = |at: usize, phrase: &str| {
        phrase.split(' ').enumerate().all(|(offset, word)| {
            words.get(at + offset).is_some_and(|found| {
                found.text.eq_ignore_ascii_case(word) && (offset == 0 || joins(found.gap))
            })
        })
    };
    for (at, word) in words.iter().enumerate() {
        for (phrase, instead) in PHRASES {
            if is(at, phrase) {
                wrong.push((word.line, format!("`{phrase}`: {instead}")));
            }
        }
        // Inside a paragraph; openings of comments and headings are another rule.
        let sentence = word.gap.trim_start_matches(')').starts_with(['.', ';']);
        if sentence && ["What", "Who"].contains(&word.text) && !is_question(text, word.end) {
            wrong.push((word.line, format!("a sentence begins with `{}`", word.text)));
        }
        let there = at > 0 && words[at - 1].text.eq_ignore_ascii_case("there");
        for verb in ["is no", "are no", "was no", "were no"] {
            if is(at, verb) && !there && !is(at + 1, "no longer") {
                wrong.push((word.line, format!("`{verb}`: use not, not a or none of")));
            }
        }
    }
    wrong
}

/// Returns the text of a line that is a comment or a heading.
fn comment<'a>(path: &str, line: &'a str) -> Option<&'a str> {
    let line = line.trim_start();
    let signs: &[&str] = match Path::new(path).extension().and_then(|end| end.to_str()) {
        Some("rs") => &["///", "//!", "//"],
        Some("c" | "h") => &["//", "/**", "/*", "*"],
        Some("md") => &["######", "#####", "####", "###", "##", "#"],
        _ => &["#"],
    };
    let comment = signs.iter().find_map(|sign| line.strip_prefix(sign))?;
    Some(comment.trim())
}

/// Finds comments and headings whose first word is one of [`OPENINGS`].
fn wrong_openings(path: &str, text: &str) -> Vec<(usize, String)> {
    let heading = path.ends_with(".md");
    let mut wrong = Vec::new();
    let mut before = "";
    for (index, line) in text.lines().enumerate() {
        let comment = comment(path, line).unwrap_or_default();
        let opens = heading || before.is_empty();
        let first = comment
            .trim_start_matches('#')
            .split_whitespace()
            .next()
            .unwrap_or_default();
        // A question in a heading or a comment is a sentence of its own.
        if opens && OPENINGS.contains(&first) && !comment.ends_with('?') {
            wrong.push((index + 1, format!("begins with `{first}`")));
        }
        before = comment;
    }
    wrong
}

/// Returns whether a line of Rust begins a function.
fn is_function(line: &str) -> bool {
    let words = line.split_whitespace();
    let mut words = words.skip_while(|word| {
        ["const", "unsafe", "extern", "\"C\""].contains(word) || word.starts_with("pub")
    });
    words.next() == Some("fn")
}

/// Finds functions whose documentation does not begin with a verb in the third person,
/// such as `Returns`. Documentation of tests may state a fact.
fn wrong_functions(path: &str, text: &str) -> Vec<(usize, String)> {
    const NO_VERBS: &[&str] = &["As", "Has", "Is", "Its", "Lines", "This", "Was", "Words"];
    if !path.ends_with(".rs") {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_doc = |line: &str| line.starts_with("///");
    let mut wrong = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if !is_doc(line) || index > 0 && is_doc(lines[index - 1]) {
            continue;
        }
        let mut item = lines[index..].iter().skip_while(|line| is_doc(line));
        let attributes = item.clone().take_while(|line| line.starts_with("#["));
        let test = attributes.clone().any(|line| *line == "#[test]");
        let item = item.nth(attributes.count()).copied().unwrap_or_default();
        let first = line[3..].split_whitespace().next().unwrap_or_default();
        let verb = first.ends_with('s')
            && !line.ends_with('?')
            && first.starts_with(|c: char| c.is_ascii_uppercase())
            && !NO_VERBS.contains(&first);
        if is_function(item) && !test && !verb && first != "#" {
            wrong.push((
                index + 1,
                "the verb is not first, as in `Returns`".to_owned(),
            ));
        }
    }
    wrong
}

fn report(wrong: &[String]) -> Result<()> {
    ensure!(
        wrong.is_empty(),
        "{} places (see docs/glossary.md for the words):\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(())
}

#[test]
fn prose_uses_the_words_of_the_field() -> Result<()> {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (path, text) in prose()? {
        let lines: Vec<&str> = text.lines().collect();
        let mut found = wrong_words(&text);
        found.extend(wrong_openings(&path, &text));
        found.extend(wrong_functions(&path, &text));
        found.sort();
        for (number, rule) in found {
            let line = lines.get(number - 1).copied().unwrap_or_default();
            let allowed = ALLOWED
                .iter()
                .position(|(start, part, _)| path.starts_with(start) && line.contains(part));
            match allowed {
                Some(index) => _ = used.insert(index),
                None => wrong.push(format!("{path}:{number}: {rule}: {}", line.trim())),
            }
        }
    }
    for (index, (path, part, _)) in ALLOWED.iter().enumerate() {
        if !used.contains(&index) {
            wrong.push(format!("{path}: the exception {part:?} is not needed"));
        }
    }
    report(&wrong)
}

#[test]
fn words_are_found_across_lines_and_in_comments_only_as_words() {
    let lines = |text: &str| -> Vec<usize> {
        wrong_words(text)
            .into_iter()
            .map(|(line, _)| line)
            .collect()
    };
    assert_eq!(lines("/// It is\n/// no lesson."), [1]);
    assert_eq!(lines("a\nso\nmany"), [2]);
    assert_eq!(lines("He told it."), [1]);
    assert_eq!(lines("It ends. What is\n left goes."), [1]);
    for fine in [
        "It ends. What is\n left?",
        "there is no lesson",
        "it is no longer here",
        "as it is. No lesson",
        "tell_host",
        "so. Many",
    ] {
        assert_eq!(lines(fine), [0; 0], "{fine}");
    }
    let openings = |path: &str, text: &str| wrong_openings(path, text).len();
    assert_eq!(openings("x.rs", "/// What is left.\nfn x() {}"), 1);
    assert_eq!(openings("x.rs", "/// Returns\n/// What is left."), 0);
    assert_eq!(openings("x.md", "## What it is\nText\n# Who"), 2);
    assert_eq!(openings("x.c", "/* That is it. */"), 1);
    assert_eq!(openings("x.config", "# Of all.\nCONFIG_X=y"), 1);
    let functions = |text: &str| wrong_functions("x.rs", text).len();
    assert_eq!(
        functions("/// The name.\n#[inline]\npub(crate) fn name() {}"),
        1
    );
    assert_eq!(
        functions("/// Returns\n/// the name.\nconst unsafe fn name() {}"),
        0
    );
    assert_eq!(functions("/// The name.\nname: &str,"), 0);
    assert_eq!(
        functions("/// A name is there.\n#[test]\nfn a_name() {}"),
        0
    );
}

#[test]
fn each_type_of_a_crate_has_a_name_of_its_own() -> Result<()> {
    const CRATES: &[&str] = &[
        "initramfs/agent/",
        "xtask/bench/",
        "xtask/book/",
        "xtask/protocol/",
        "xtask/src/",
    ];
    const KINDS: &[&str] = &["struct", "enum", "trait", "type"];
    let mut types: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for (path, file) in files()? {
        let Some(krate) = CRATES.iter().find(|krate| path.starts_with(**krate)) else {
            continue;
        };
        if !path.ends_with(".rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file)?;
        // Types of tests are indented, and so are those of implementations.
        for (index, line) in text.lines().enumerate() {
            let item = line.strip_prefix("pub ").unwrap_or(line);
            let item = item.strip_prefix("pub(crate) ").unwrap_or(item);
            let Some((kind, rest)) = item.split_once(' ') else {
                continue;
            };
            if KINDS.contains(&kind) && !line.starts_with(' ') {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                let name = rest[..end.unwrap_or(rest.len())].to_owned();
                let places = types.entry((krate, name)).or_default();
                places.push(format!("{path}:{}", index + 1));
            }
        }
    }
    ensure!(types.len() > 100, "only {} types found", types.len());
    let twice = types.iter().filter(|(_, places)| places.len() > 1);
    let wrong: Vec<String> = twice
        .map(|((_, name), places)| format!("{name}: {}", places.join(", ")))
        .collect();
    report(&wrong)
}

/// Returns the name that GitHub gives a heading: lower case, spaces as hyphens, no other
/// punctuation.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

/// Returns the anchors of a document's headings, and its links with their lines.
fn anchors_and_links(markdown: &str) -> (BTreeSet<String>, Vec<(usize, String)>) {
    let mut anchors = BTreeSet::new();
    let mut links = Vec::new();
    let mut heading: Option<String> = None;
    for (event, range) in Parser::new(markdown).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap_or_default());
                let again = (1..).map(|number| format!("{anchor}-{number}"));
                let mut names = std::iter::once(anchor.clone()).chain(again);
                anchors.extend(names.find(|name| !anchors.contains(name)));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                let line = 1 + markdown[..range.start].matches('\n').count();
                links.push((line, dest_url.into_string()));
            }
            _ => {}
        }
    }
    (anchors, links)
}

#[test]
fn links_lead_somewhere() -> Result<()> {
    let mut documents = BTreeMap::new();
    for (path, file) in files()? {
        if path.ends_with(".md") && !is_in(&path, FOREIGN) {
            let text = std::fs::read_to_string(&file)?;
            documents.insert(file.canonicalize()?, (path, anchors_and_links(&text)));
        }
    }
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (file, (path, (_, links))) in &documents {
        for (line, link) in links {
            if link.contains("://") {
                continue;
            }
            checked += 1;
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match target {
                "" => Ok(file.clone()),
                target => file.with_file_name(target).canonicalize(),
            };
            let Ok(target) = target else {
                wrong.push(format!("{path}:{line}: {link}: there is no such file"));
                continue;
            };
            let there =
                |(_, (anchors, _)): &(String, (BTreeSet<String>, _))| anchors.contains(anchor);
            if !anchor.is_empty() && !documents.get(&target).is_some_and(there) {
                wrong.push(format!("{path}:{line}: {link}: there is no such heading"));
            }
        }
    }
    ensure!(checked > 50, "only {checked} links found");
    report(&wrong)
}

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

/// The map of the code names each folder and file of `xtask/src`, and no others.
#[test]
fn the_map_of_the_code_is_complete() -> Result<()> {
    const MAP: &str = "## `xtask/src`, in the order of the flow";
    /// The entries that a map does not need.
    const ROOTS: &[&str] = &["lib.rs", "main.rs"];
    let root = Workspace::find()?.root().to_owned();
    let text = std::fs::read_to_string(root.join("docs/architecture.md"))?;
    let rows = text.lines().skip_while(|line| *line != MAP).skip(4);
    let cells = rows
        .take_while(|row| row.starts_with('|'))
        .filter_map(|row| row.split('|').nth(1));
    let named: BTreeSet<&str> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let mut there = BTreeSet::new();
    for entry in std::fs::read_dir(root.join("xtask/src"))? {
        let entry = entry?;
        let mut name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            name.push('/');
        }
        there.insert(name);
    }
    let there: BTreeSet<&str> = there.iter().map(String::as_str).collect();
    let there = &there - &ROOTS.iter().copied().collect();
    assert_eq!(named, there);
    Ok(())
}

/// Modules and crates with `unsafe` code, as prefixes of paths, each with the reason.
const UNSAFE: &[(&str, &str)] = &[
    ("modules/kernel_ext/", "calls the kernel's C functions"),
    (
        "modules/tools/perturb/",
        "sets breakpoints through functions in C",
    ),
    (
        "modules/races/unsafe_list",
        "shows how one function breaks the promise of an `unsafe` block in another",
    ),
];

/// Lessons, races and tests show what safe Rust does.
#[test]
fn modules_have_unsafe_code_only_where_listed() -> Result<()> {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (path, file) in files()? {
        if !path.starts_with("modules/") || !path.ends_with(".rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file)?;
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let words: Vec<&str> = code
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .collect();
            if !words.contains(&"unsafe") {
                continue;
            }
            match UNSAFE.iter().find(|(start, _)| path.starts_with(start)) {
                Some((start, _)) => _ = used.insert(start),
                None => wrong.push(format!("{path}:{}: {}", index + 1, line.trim())),
            }
        }
    }
    assert_eq!(used.len(), UNSAFE.len(), "an entry is not needed");
    report(&wrong)
}
