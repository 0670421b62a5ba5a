//! `break`: shows a common mistake of a lesson happen.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::common::{Common, ConfigurationOptions, OneLang};
use crate::exercise::mistake::{self, Mistake};
use crate::exercise::student::StudentFolder;
use crate::failure::{Failure, Fault};
use crate::lesson::verdict::Verdict;
use crate::modules::Language;
use crate::project::KernelChoice;
use crate::report::check_details;
use crate::streams;
use crate::workspace::Workspace;

/// Options of `break`.
#[derive(Debug, Clone, clap::Args)]
pub struct BreakOptions {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    configuration: ConfigurationOptions,

    /// The lesson or race
    #[arg(value_name = "LESSON")]
    lesson: String,

    /// The mistake; without it, all mistakes of the lesson are listed
    #[arg(value_name = "ITEM")]
    item: Option<String>,

    /// The language of the module [default: that of the student's folder, else rust, if the mistake
    /// exists in it]
    #[arg(long, value_enum)]
    lang: Option<OneLang>,
}

/// Runs a lesson with a mistake in its module, and prints what happens; the status is 0 if the run
/// ends in the mistake's verdict.
///
/// # Errors
///
/// If there is no such mistake, or the kernel cannot be built.
pub fn run(options: &BreakOptions) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let mistakes = Mistake::of_lesson(&workspace, &options.lesson)?;
    let requested = options.lang.map(Language::from);
    let lesson = &options.lesson;
    if mistakes.is_empty() {
        let message = format!("the lesson `{lesson}` has no mistakes to show, or does not exist");
        return Err(Failure::usage(message).into());
    }
    let mut out = streams::stdout();
    let Some(item) = &options.item else {
        let is_listed =
            |own: &&Mistake| requested.is_none_or(|language| language == own.wrong.language);
        let listed: Vec<&Mistake> = mistakes.iter().filter(is_listed).collect();
        if let (true, Some(other)) = (listed.is_empty(), mistakes.first()) {
            let language = other.wrong.language.title();
            let message = format!("the mistakes of {lesson} exist in {language} only");
            return Err(Failure::usage(message).into());
        }
        for Mistake { wrong, .. } in listed {
            let first = first_sentence(&wrong.description);
            let (item, language) = (&wrong.item, wrong.language.name());
            writeln!(out, "{item:24}  {language:4}  {first}")?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let preferred = match requested {
        Some(_) => None,
        None => {
            let current = std::env::current_dir().context("cannot find the current folder")?;
            StudentFolder::find(&current)?.map(|folder| folder.language)
        }
    };
    let mistake = chosen(&mistakes, item, requested, preferred)?;
    let session = options.common.session()?;
    let source = options.common.source_request();
    let configuration = options
        .configuration
        .configuration(&KernelChoice::default())?;
    let language = mistake.wrong.language.title();
    writeln!(out, "{lesson} with the mistake `{item}`, in {language}:")?;
    writeln!(out, "{}\n", mistake.wrong.description)?;
    for line in mistake.shown_changes() {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    out.flush()?;
    for run in mistake::run(&session, &source, &configuration, &[mistake])? {
        if let Some(session) = &run.session {
            writeln!(out, "{session}")?;
        }
        for line in check_details(&run.outcome) {
            writeln!(out, "{line}")?;
        }
        let verdict = &run.outcome.verdict;
        if matches!(verdict, Verdict::Infrastructure { .. }) {
            return Ok(ExitCode::from(Fault::Host.status()));
        }
        if verdict.name() != mistake.wrong.verdict {
            writeln!(out, "this run did not end with {}", mistake.wrong.verdict)?;
            return Ok(ExitCode::from(Fault::Lesson.status()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the first sentence of a description, in one line.
fn first_sentence(description: &str) -> String {
    let text = description.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text,
    }
}

/// Returns the mistake `item` in the requested language; without a request, in the preferred one,
/// else in Rust, else in the one that it exists in.
///
/// # Errors
///
/// Fails with a usage error if there is none.
fn chosen<'a>(
    mistakes: &'a [Mistake],
    item: &str,
    requested: Option<Language>,
    preferred: Option<Language>,
) -> Result<&'a Mistake> {
    let lesson = mistakes.first().map_or("", |own| &own.lesson);
    let named: Vec<&Mistake> = mistakes
        .iter()
        .filter(|own| own.wrong.item == item)
        .collect();
    let Some(first) = named.first() else {
        let mut items: Vec<&str> = mistakes.iter().map(|own| &*own.wrong.item).collect();
        items.dedup();
        let items = items.join(", ");
        let message = format!("{lesson} has no mistake `{item}`; its mistakes are: {items}");
        return Err(Failure::usage(message).into());
    };
    let of = |language| named.iter().find(|own| own.wrong.language == language);
    if let Some(requested) = requested {
        let only = first.wrong.language;
        return of(requested).copied().ok_or_else(|| {
            let message = format!(
                "the mistake `{item}` of {lesson} exists in {} only: use `--lang {}`",
                only.title(),
                only.name()
            );
            Failure::usage(message).into()
        });
    }
    let preferred = preferred.and_then(of).or_else(|| of(Language::Rust));
    Ok(preferred.unwrap_or(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_the_first_sentence_of_each_description() {
        for (description, expected) in [
            (
                "It stops what is not\na thread. The rest.\n",
                "It stops what is not a thread.",
            ),
            ("One sentence.", "One sentence."),
            ("Linux 6.12 alone", "Linux 6.12 alone"),
        ] {
            assert_eq!(first_sentence(description), expected);
        }
    }

    #[test]
    fn the_language_is_the_requested_one_else_that_of_the_folder_else_rust() -> Result<()> {
        let mistakes = Mistake::of_lesson(&Workspace::find()?, "hello")?;
        let (rust, c) = (Some(Language::Rust), Some(Language::C));
        for (item, requested, preferred, expected) in [
            ("minus-one", None, None, rust),
            ("minus-one", None, c, c),
            ("minus-one", rust, c, rust),
            ("minus-one", c, None, c),
            ("unwrap", None, None, rust),
            // It exists in Rust only.
            ("unwrap", None, c, rust),
        ] {
            let chosen = chosen(&mistakes, item, requested, preferred)?;
            assert_eq!(Some(chosen.wrong.language), expected, "{item}");
        }
        let problem = |item, requested| match chosen(&mistakes, item, requested, None) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        assert_eq!(
            problem("unwrap", c),
            "the mistake `unwrap` of hello exists in Rust only: use `--lang rust`"
        );
        assert!(problem("none", c).contains("its mistakes are: minus-one, "));
        Ok(())
    }

    #[test]
    fn the_changed_lines_are_shown_with_their_places() -> Result<()> {
        let mistakes = Mistake::of_lesson(&Workspace::find()?, "hello")?;
        let mistake = chosen(&mistakes, "unwrap", None, None)?;
        let lines = mistake.shown_changes();
        let [place, removed, added] = &lines[..] else {
            anyhow::bail!("{lines:?}");
        };
        let (file, number) = place.rsplit_once(':').context("a line")?;
        assert!(file.ends_with("modules/lessons/hello/hello.rs"), "{file}");
        let source =
            std::fs::read_to_string(Workspace::find()?.folder_of("hello").join("hello.rs"))?;
        let number: usize = number.parse()?;
        assert_eq!(source.lines().nth(number - 1), removed.strip_prefix('-'));
        assert!(
            added.starts_with('+') && added.contains("unwrap()"),
            "{added}"
        );
        Ok(())
    }
}
