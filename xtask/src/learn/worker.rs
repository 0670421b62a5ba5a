//! The process that checks an answer for the screen. Its output is messages, so that nothing of a
//! build is printed over the screen, and the check ends with its process.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

use super::message::CheckMessage;
use crate::exercise::answer::Answer;
use crate::exercise::check::{CheckEvent, CheckSettings};
use crate::exercise::result::{CheckResult, PartResult};
use crate::exercise::student::StudentFolder;
use crate::grading::rules::SubmissionRules;
use crate::kernel::source::SourceRequest;
use crate::report::check_details;
use crate::session::Session;
use crate::streams;

/// Checks the answer to the exercise with this id, and prints messages.
///
/// # Errors
///
/// Fails if a message cannot be printed.
pub fn run(
    session: &Session,
    folder: &StudentFolder,
    source: &SourceRequest,
    id: &str,
) -> Result<ExitCode> {
    let message = match check(session, folder, source, id) {
        Ok(result) => CheckMessage::Finished {
            details: result.parts.iter().map(details).collect(),
            result: Box::new(result),
        },
        Err(error) => CheckMessage::Failed {
            reason: format!("{error:#}"),
        },
    };
    print(&message)?;
    Ok(ExitCode::SUCCESS)
}

fn check(
    session: &Session,
    folder: &StudentFolder,
    source: &SourceRequest,
    id: &str,
) -> Result<CheckResult> {
    let catalogue = folder.catalogue(&session.workspace)?;
    let exercise = catalogue.find(id)?;
    // Events come from several threads.
    let lost = Mutex::new(None);
    let on_event = |event: CheckEvent<'_>| {
        if let Err(error) = print(&message_of(event)) {
            *lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    };
    let rules = SubmissionRules::of_folder(folder)?;
    let refusal =
        |answer: &Answer<'_>, imports: &[String]| rules.as_ref()?.refusal(answer, imports);
    let settings = CheckSettings {
        refusal: &refusal,
        progress: false,
        on_event: &on_event,
        ..CheckSettings::new(source)
    };
    let results = folder.check(session, &[exercise], settings)?;
    if let Some(error) = lost.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    results
        .into_iter()
        .next()
        .context("the check has no result")
}

fn message_of(event: CheckEvent<'_>) -> CheckMessage {
    match event {
        CheckEvent::Compiled { result, .. } => CheckMessage::Compiled {
            result: result.clone(),
        },
        CheckEvent::Began { part, .. } => CheckMessage::Began { part },
        CheckEvent::Judged { part, result, .. } => CheckMessage::Judged {
            part,
            result: Box::new(PartResult {
                outcome: None,
                ..result.clone()
            }),
        },
    }
}

fn details(part: &PartResult) -> Vec<String> {
    match &part.outcome {
        Some(outcome) if !part.passed() => check_details(outcome),
        _ => Vec::new(),
    }
}

/// Prints a message in one piece.
fn print(message: &CheckMessage) -> Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut out = streams::stdout();
    out.write_all(&line)?;
    out.flush()?;
    Ok(())
}
