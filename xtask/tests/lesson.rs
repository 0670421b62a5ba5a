//! The lessons and races of this clone: their texts are transcripts and quote the
//! modules' code, and the documents' tables of lessons are right.

use anyhow::{Context as _, Result};
use xtask::lesson::{Lesson, all, all_races, excerpts};
use xtask::modules::Language;
use xtask::workspace::Workspace;

/// Suffix of the name of a race's corrected version.
const MENDED: &str = "_mended";

fn lessons_and_races(workspace: &Workspace) -> Result<Vec<Lesson>> {
    Ok([all(workspace)?, all_races(workspace)?].concat())
}

#[test]
fn every_lesson_is_a_transcript_and_shows_its_own_code() -> Result<()> {
    let workspace = Workspace::find()?;
    for lesson in lessons_and_races(&workspace)? {
        let text = std::fs::read_to_string(lesson.folder.join("README.md"))
            .with_context(|| lesson.readme.display().to_string())?;
        let shown = excerpts::check(&text, &lesson.folder, &lesson.readme)?;
        assert!(
            shown > 0,
            "{}: no excerpt of the module; put `<!-- source: FILE -->` before its Rust blocks",
            lesson.readme.display()
        );
    }
    Ok(())
}

/// Each race has a corrected version, and their texts link to each other. Both are
/// in C, and in Rust unless the text gives a reason. No race has the name of a
/// lesson, because the command line selects both by name alone.
#[test]
fn every_race_has_a_corrected_version() -> Result<()> {
    let workspace = Workspace::find()?;
    let races = all_races(&workspace)?;
    assert!(races.len() >= 16, "{} races", races.len());
    let (mended, broken): (Vec<&Lesson>, Vec<_>) =
        races.iter().partition(|race| race.name.ends_with(MENDED));
    let text = |race: &Lesson| std::fs::read_to_string(race.folder.join("README.md"));
    for race in &broken {
        let name = format!("{}{MENDED}", race.name);
        let twin = mended.iter().find(|twin| twin.name == name);
        let twin = twin.with_context(|| format!("no {name}"))?;
        let there = race.folder.join(Language::Rust.source(&race.name));
        assert_eq!(race.is_in(Language::Rust), there.is_file(), "{}", race.name);
        let there = twin.folder.join(Language::Rust.source(&name));
        assert_eq!(twin.is_in(Language::Rust), there.is_file(), "{name}");
        assert!(race.is_in(Language::C) && twin.is_in(Language::C), "{name}");
        assert!(text(race)?.contains(&format!("../{name}/README.md")));
        assert!(text(twin)?.contains(&format!("../{}/README.md", race.name)));
    }
    assert_eq!(mended.len(), broken.len(), "a twin without a race");
    for lesson in all(&workspace)? {
        assert!(races.iter().all(|race| race.name != lesson.name));
    }
    Ok(())
}

/// Returns the cells of the rows of the table in `markdown` that has this head.
fn table<'a>(markdown: &'a str, head: &str) -> Vec<Vec<&'a str>> {
    markdown
        .lines()
        .skip_while(|line| *line != head)
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// Returns the texts between backquotes in `cell`.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Returns whether `name` stands in `code` outside of comments, and not as a part of a
/// longer word.
fn uses(code: &str, name: &str) -> bool {
    let word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut comment = false;
    code.lines().any(|line| {
        comment |= line.trim_start().starts_with("/*");
        let code = if comment { "" } else { line };
        comment &= !line.contains("*/");
        let code = code.split("//").next().unwrap_or("");
        code.match_indices(name).any(|(at, _)| {
            !code[..at].ends_with(word) && !code[at + name.len()..].starts_with(word)
        })
    })
}

/// Returns whether the lesson's C source uses all names in `c` and its Rust source all in
/// `rust`. A language that the lesson lacks does not count.
fn uses_all(lesson: &Lesson, c: &[&str], rust: &[&str]) -> Result<bool> {
    for (language, wanted) in [(Language::C, c), (Language::Rust, rust)] {
        if !lesson.is_in(language) {
            continue;
        }
        let code = std::fs::read_to_string(lesson.folder.join(language.source(&lesson.name)))?;
        if !wanted.iter().all(|name| uses(&code, name)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// README.md has a row for every lesson, docs/races.md for every race, and a row of
/// docs/c-and-rust.md lists exactly the lessons that use its names, in both languages.
#[test]
fn the_tables_of_the_documents_are_true() -> Result<()> {
    let workspace = Workspace::find()?;
    let read = |path: &str| {
        std::fs::read_to_string(workspace.root().join(path)).with_context(|| path.to_owned())
    };
    let readme = read("README.md")?;
    let lessons = all(&workspace)?;

    let rows = table(&readme, "| lesson | minutes | topic |");
    let mut listed: Vec<&str> = rows.iter().flat_map(|row| names(row[0])).collect();
    listed.sort_unstable();
    let there: Vec<&str> = lessons.iter().map(|lesson| lesson.name.as_str()).collect();
    assert_eq!(
        listed, there,
        "the table under `## Lessons` in README.md (left) has other lessons than modules/lessons (right)"
    );

    let rows_of_races = read("docs/races.md")?;
    let rows = table(&rows_of_races, "| race | in Rust | topic |");
    let races = all_races(&workspace)?;
    let broken: Vec<&Lesson> = races
        .iter()
        .filter(|race| !race.name.ends_with(MENDED))
        .collect();
    assert_eq!(
        rows.len(),
        broken.len(),
        "rows of the table in docs/races.md (left) and races in modules/races (right)"
    );
    for race in broken {
        let row = rows.iter().find(|row| names(row[0]) == [&race.name]);
        let row = row.with_context(|| format!("no row for {}", race.name))?;
        let there = if race.is_in(Language::Rust) {
            "yes"
        } else {
            "no"
        };
        assert_eq!(row[1], there, "{}", race.name);
    }

    let rows_of_names = read("docs/c-and-rust.md")?;
    let rows = table(&rows_of_names, "| C | Rust | lessons |");
    assert!(rows.len() > 10, "{} rows", rows.len());
    for row in rows {
        let &[c, rust, users] = row.as_slice() else {
            panic!("three cells: {row:?}");
        };
        let mut listed = match users {
            "all" => there.clone(),
            users => names(users),
        };
        listed.sort_unstable();
        let mut using = Vec::new();
        for lesson in &lessons {
            if uses_all(lesson, &names(c), &names(rust))? {
                using.push(lesson.name.as_str());
            }
        }
        assert!(!using.is_empty(), "no lesson uses both: {row:?}");
        assert_eq!(
            listed, using,
            "the row (left) lists other lessons than those that use both (right): {row:?}"
        );
    }
    Ok(())
}

#[test]
fn a_name_is_used_where_it_is_a_word_of_the_code() {
    let code = "/*\n * foo\n */\n// bar\nbaz_foo(); // baz\nqux!(\"x\");\n";
    for name in ["foo", "bar", "baz", "qu"] {
        assert!(!uses(code, name), "{name}");
    }
    for name in ["baz_foo", "qux!", "qux"] {
        assert!(uses(code, name), "{name}");
    }
}
