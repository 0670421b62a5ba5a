//! The proofs of common mistakes of lessons.

use anyhow::Result;

use super::{Proof, ProofKind, ProofSettings};
use crate::exercise::WrongAnswer;
use crate::exercise::mistake::{self, Mistake, MistakeRun};
use crate::kernel::Profile;
use crate::lesson::verdict::Verdict;
use crate::session::Session;

/// Proves that common mistakes of lessons end in their verdicts.
///
/// # Errors
///
/// Fails if the kernel cannot be built, or a text cannot be tested.
pub fn prove_mistakes(
    session: &Session,
    mistakes: &[&Mistake],
    settings: ProofSettings<'_>,
) -> Result<Vec<Proof>> {
    let mistakes = mistakes.iter().copied();
    let in_language = |mistake: &&Mistake| settings.languages.contains(&mistake.wrong.language);
    let mistakes: Vec<&Mistake> = mistakes.filter(in_language).collect();
    if mistakes.is_empty() {
        return Ok(Vec::new());
    }
    let runs = mistake::run(
        session,
        settings.source,
        &Profile::Teaching.into(),
        &mistakes,
    )?;
    let proof = |(mistake, MistakeRun { outcome, .. }): (&Mistake, MistakeRun)| {
        let WrongAnswer { verdict, error, .. } = &mistake.wrong;
        let ended = &outcome.verdict;
        let has_code = |code: &String| match ended {
            Verdict::DoesNotCompile { what } => what.contains(code.as_str()),
            _ => false,
        };
        let failure = if ended.name() != verdict {
            let ended = format!("{}: {ended}", ended.name());
            Some(format!("it does not end with {verdict}, but with {ended}"))
        } else {
            let other = error.as_ref().filter(|code| !has_code(code));
            other.map(|code| format!("the error is not {code}: {ended}"))
        };
        Proof {
            exercise: mistake.lesson.clone(),
            language: mistake.wrong.language,
            kind: ProofKind::Wrong,
            subject: format!("wrong/{}", mistake.wrong.item),
            failure,
            unknown: matches!(ended, Verdict::Infrastructure { .. }),
            result: None,
        }
    };
    Ok(mistakes.into_iter().zip(runs).map(proof).collect())
}
