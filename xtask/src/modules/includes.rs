//! A check of the text of sources, for hosts whose kernel has no Landlock: a source includes files
//! by plain names below its own folder only.
//!
//! The check knows the ways in which compilers include files, but not all ways to write them:
//! names from `use` or from macros can hide one. The sandbox has no such gaps.

use std::path::{Component, Path};

use anyhow::{Context as _, Result, ensure};

use super::Language;
use super::sources::SourceFile;
use crate::failure::Failure;

/// Checks the sources of a module.
///
/// # Errors
///
/// Fails if a file cannot be read, and with its line if it includes a file outside its folder.
pub(super) fn check(language: Language, sources: &[SourceFile]) -> Result<()> {
    for SourceFile { path, .. } in sources {
        let text =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let found = foreign_include(language, &String::from_utf8_lossy(&text));
        ensure!(
            found.is_none(),
            Failure::lesson(format!(
                "{}:{}: this may include a file from outside the lesson's folder, and this host's \
                 kernel has no Landlock to prevent it; include files of this folder by their \
                 plain names",
                path.display(),
                found.unwrap_or(0)
            ))
        );
    }
    Ok(())
}

/// Returns the number of the first line that may include a file from another folder.
fn foreign_include(language: Language, text: &str) -> Option<usize> {
    let assembler = ["incbin", ".include"].map(|word| word_at(text, word, |_, _| false));
    let of_language = match language {
        Language::Rust => rust(text),
        Language::C => c(text),
    };
    let first = assembler.into_iter().chain([of_language]).flatten().min()?;
    Some(text[..first].matches('\n').count() + 1)
}

/// Returns the place of the first include in Rust that is not of a plain name.
fn rust(text: &str) -> Option<usize> {
    let in_call = |_: &str, rest: &str| {
        let argument = rest.strip_prefix('!').map(str::trim_start);
        let argument = argument.and_then(|rest| rest.strip_prefix(['(', '[', '{']));
        argument.is_some_and(is_plain_literal)
    };
    let macros = ["include_str", "include_bytes"].map(|word| word_at(text, word, in_call));
    // A word of ordinary sentences.
    let include = word_at(text, "include", |before, rest| {
        in_call(before, rest) || !rest.starts_with('!') && !rest.starts_with("as ")
    });
    let path = word_at(text, "path", |before, rest| {
        let is_attribute = before.ends_with(['[', '(', ',']);
        match rest.strip_prefix('=') {
            Some(value) if is_attribute => is_plain_literal(value),
            _ => true,
        }
    });
    macros.into_iter().chain([include, path]).flatten().min()
}

/// Returns the place of the first include in C that is not of a plain name.
fn c(text: &str) -> Option<usize> {
    // A backslash at the end of a line joins it with the next one.
    let mut place = 0;
    let mut joined = String::new();
    for line in text.split_inclusive('\n') {
        let end = line.trim_end();
        joined.push_str(end.trim_end_matches('\\'));
        place += line.len();
        if end.ends_with('\\') {
            continue;
        }
        if !is_plain_directive(&joined) {
            return Some(place - line.len());
        }
        joined.clear();
    }
    None
}

/// Returns true for a line of C that is not a directive with the name of a file, and if the name
/// is plain.
fn is_plain_directive(line: &str) -> bool {
    let line = line.trim_start();
    let Some(directive) = ["#", "%:", "??="]
        .iter()
        .find_map(|mark| line.strip_prefix(mark))
    else {
        // A comment can stand before a directive.
        return !(line.contains("*/") && line.contains('#') && line.contains("include"));
    };
    let directive = directive.trim_start();
    let words = ["include_next", "include", "import", "embed"];
    match words.iter().find_map(|word| directive.strip_prefix(word)) {
        None => !directive.starts_with("/*"),
        Some(file) => {
            let file = file.trim_start();
            let name = file.strip_prefix('<').and_then(|rest| rest.split_once('>'));
            let own = file.strip_prefix('"').and_then(|rest| rest.split_once('"'));
            name.or(own).is_some_and(|(name, _)| is_plain(name))
        }
    }
}

/// Returns the place of the first `word` of which `is_allowed` does not accept the text before
/// and behind the word.
fn word_at(text: &str, word: &str, is_allowed: impl Fn(&str, &str) -> bool) -> Option<usize> {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word)
        .find(|(place, _)| {
            let (before, rest) = (&text[..*place], &text[place + word.len()..]);
            let is_word = !before.ends_with(is_letter) && !rest.starts_with(is_letter);
            is_word && !is_allowed(before.trim_end(), rest.trim_start())
        })
        .map(|(place, _)| place)
}

/// Returns true if `text` begins with a string literal that is a plain name.
fn is_plain_literal(text: &str) -> bool {
    let literal = text.trim_start().trim_start_matches('r');
    let inside = literal.trim_start_matches('#').strip_prefix('"');
    let name = inside.and_then(|rest| rest.split_once('"'));
    name.is_some_and(|(name, _)| is_plain(name))
}

/// Returns true for a relative path that leads downwards, without an escape.
fn is_plain(name: &str) -> bool {
    let is_down = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    !name.is_empty() && !name.contains('\\') && Path::new(name).components().all(is_down)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_own_folder_may_be_included() {
        let rust = r##"
            //! These modules include a path = to everything.
            #[path = "parts/more.rs"] mod more;
            include!("x.in");
            const A: &str = include_str!("data.txt");
            const B: &[u8] = include_bytes![r#"data.bin"#];
            let path = "/proc/counter";
        "##;
        assert_eq!(foreign_include(Language::Rust, rust), None);
        let c = "#include <linux/module.h>\n#include \"x.h\"\n# include \"parts/x.inc\"\n\
                 /* They include /etc. */\n#define PATH \"/etc/passwd\"\n#embed \"x.bin\"\n";
        assert_eq!(foreign_include(Language::C, c), None);
    }

    #[test]
    fn other_files_may_not_be_included_in_rust() {
        for line in [
            r#"include!("/etc/passwd");"#,
            r#"include_str!("../other/other.rs")"#,
            r#"include_bytes! ( "a/../../b" )"#,
            r#"include_str!(concat!("/etc", "/passwd"))"#,
            r#"include_str!("\x2fetc/passwd")"#,
            r#"include_str!(stringify!(/etc/passwd))"#,
            r##"include_str!(r#"/etc/passwd"#)"##,
            r##"#[path = "/etc/passwd"] mod x;"##,
            r##"#[path = r"../x.rs"] mod x;"##,
            r##"#[cfg_attr(all(), path="/etc/passwd")] mod x;"##,
            "use core::include as inc;",
            "call!(include_str);",
            r#"global_asm!(".incbin \"/etc/passwd\"");"#,
            r#"global_asm!(".include \"x\"");"#,
        ] {
            let text = format!("//! A module.\n{line}\n");
            assert_eq!(foreign_include(Language::Rust, &text), Some(2), "{line}");
        }
    }

    #[test]
    fn other_files_may_not_be_included_in_c() {
        for line in [
            "#include \"/etc/passwd\"",
            "#include </etc/passwd>",
            "  #  include \"../other/c/other.c\"",
            "#include_next <../x.h>",
            "#import \"/etc/passwd\"",
            "#embed \"/etc/passwd\"",
            "#include NAME",
            "%:include \"/etc/passwd\"",
            "/* x */ #include \"/etc/passwd\"",
            "#/* x */include \"/etc/passwd\"",
            "#inc\\\nlude \"/etc/passwd\"",
            "asm(\".incbin \\\"/etc/passwd\\\"\");",
            "asm(\".include \\\"/etc/passwd\\\"\");",
        ] {
            let text = format!("/* A module. */\n{line}\n");
            assert!(foreign_include(Language::C, &text).is_some(), "{line}");
        }
    }

    /// The check refuses none of the modules of this repository.
    #[test]
    fn the_repositorys_modules_include_nothing_foreign() -> Result<()> {
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../modules");
        let mut count = 0;
        for kind in ["lessons", "races", "tests", "tools"] {
            for lesson in std::fs::read_dir(modules.join(kind))? {
                let folder = lesson?.path();
                for language in [Language::Rust, Language::C] {
                    if let Ok(sources) = super::super::sources::sources(language, &folder) {
                        check(language, &sources)?;
                        count += 1;
                    }
                }
            }
        }
        ensure!(count > 50, "only {count} modules");
        Ok(())
    }
}
