//! The four proofs of an exercise, in each language:
//!
//! 1. The solution passes every part, also on the debug kernel, and all schedules. With each other
//!    value that varies, it passes the parts without schedules.
//! 2. The file that a student begins with compiles without a warning, and fails at the first part
//!    that needs a region.
//! 3. With the regions 1 to k filled in, the parts that need no other pass.
//! 4. Each wrong answer ends in its verdict at its part, and its hint is the first that is shown.
//!
//! The common mistakes of lessons are proved with them: each ends in its verdict.

mod mistakes;

use std::path::Path;

use anyhow::Result;

use super::answer::{Answer, AnswerFolder, AnswerSource};
use super::check::{CheckSettings, RefusalRule, check};
use super::part::PartSettings;
use super::result::{CheckResult, HintSource, PartResult, PartState};
use super::{Exercise, Solution, Variant, WrongAnswer};
use crate::failure::{Fault, fault_of};
use crate::kernel::Profile;
use crate::kernel::source::SourceRequest;
use crate::modules::Language;
use crate::session::Session;

pub use mistakes::prove_mistakes;

/// The kind of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProofKind {
    /// The solution passes.
    Solution,
    /// The solution passes on the debug kernel.
    Debug,
    /// The file that a student begins with fails.
    Start,
    /// A partly filled file passes the parts that it should.
    Step,
    /// A wrong answer, or a lesson's mistake, ends in its verdict.
    Wrong,
}

/// A proof that was tried.
#[derive(Debug, Clone)]
pub struct Proof {
    /// Id of the exercise, or name of the lesson.
    pub exercise: String,
    /// The language.
    pub language: Language,
    /// The kind.
    pub kind: ProofKind,
    /// The file that was run: `solution`, `TODO 1 open`, `wrong/no-stop`.
    pub subject: String,
    /// The reason for which it does not hold; none if it does.
    pub failure: Option<String>,
    /// Whether the host failed, so that nothing is known.
    pub unknown: bool,
    /// The result, for details.
    pub result: Option<CheckResult>,
}

/// Settings of the proofs.
#[derive(Clone, Copy)]
pub struct ProofSettings<'a> {
    /// The kernel.
    pub source: &'a SourceRequest,
    /// The languages.
    pub languages: &'a [Language],
    /// Whether to leave out the debug kernel and all schedules.
    pub quick: bool,
    /// The rules of a course, which no solution may break.
    pub refusal: RefusalRule<'a>,
}

/// The claim of a proof about the parts of an answer.
#[derive(Debug, Clone, Copy)]
enum Claim<'a> {
    /// All pass.
    Passes,
    /// All but the last pass, and the last fails.
    FailsAtLast,
    /// The answer ends as its header says.
    Ends(&'a WrongAnswer),
}

struct ProofCase<'a> {
    kind: ProofKind,
    subject: String,
    claim: Claim<'a>,
    answer: Answer<'a>,
}

/// Proves exercises.
///
/// # Errors
///
/// Fails if the kernel cannot be built, or a part of an exercise cannot be tested.
pub fn prove(
    session: &Session,
    exercises: &[&Exercise],
    settings: ProofSettings<'_>,
) -> Result<Vec<Proof>> {
    let folder = AnswerFolder::new()?;
    let mut proofs = Vec::new();
    let (mut cases, mut debug) = (Vec::new(), Vec::new());
    for &exercise in exercises {
        for (language, solution) in &exercise.solutions {
            if settings.languages.contains(language) {
                let maker = CaseMaker {
                    folder: &folder,
                    exercise,
                    language: *language,
                    solution,
                };
                match maker.cases(settings.quick) {
                    Ok((own, own_debug)) => {
                        cases.extend(own);
                        debug.extend(own_debug);
                    }
                    Err(error) if fault_of(&error) == Fault::Lesson => proofs.push(Proof {
                        exercise: exercise.id.clone(),
                        language: *language,
                        kind: ProofKind::Solution,
                        subject: "task.md".to_owned(),
                        failure: Some(format!("{error:#}")),
                        unknown: false,
                        result: None,
                    }),
                    Err(error) => return Err(error),
                }
            }
        }
    }
    let check_settings = CheckSettings {
        schedules: !settings.quick,
        refusal: settings.refusal,
        ..CheckSettings::new(settings.source)
    };
    proofs.extend(run(session, cases, check_settings)?);
    let check_settings = CheckSettings {
        schedules: false,
        profile: Some(Profile::Debug),
        ..check_settings
    };
    proofs.extend(run(session, debug, check_settings)?);
    proofs.sort_by_key(|proof| {
        let exercise = exercises.iter().position(|own| own.id == proof.exercise);
        (exercise, proof.language, proof.kind)
    });
    Ok(proofs)
}

/// Checks the answers of proofs, and compares the results with the claims.
fn run(
    session: &Session,
    cases: Vec<ProofCase<'_>>,
    settings: CheckSettings<'_>,
) -> Result<Vec<Proof>> {
    if cases.is_empty() {
        return Ok(Vec::new());
    }
    let answers: Vec<Answer<'_>> = cases.iter().map(|case| case.answer.clone()).collect();
    let results = check(session, &answers, settings)?;
    let proof = |(case, result): (&ProofCase<'_>, CheckResult)| {
        let unknown = result.fault() == Some(Fault::Host);
        Proof {
            exercise: case.answer.exercise.id.clone(),
            language: case.answer.language,
            kind: case.kind,
            subject: case.subject.clone(),
            failure: failure(case, &result, settings.schedules).or_else(|| refused(case, &result)),
            unknown,
            result: Some(result),
        }
    };
    Ok(cases.iter().zip(results).map(proof).collect())
}

/// Returns the reason for which a course refuses a solution.
fn refused(case: &ProofCase<'_>, result: &CheckResult) -> Option<String> {
    let refused = result.refused.clone();
    refused.filter(|_| case.kind == ProofKind::Solution)
}

struct CaseMaker<'a, 'f> {
    folder: &'f AnswerFolder,
    exercise: &'a Exercise,
    language: Language,
    solution: &'a Solution,
}

/// The source of a case, and the values in it.
struct CaseSource {
    text: String,
    variant: Variant,
}

impl<'a> CaseMaker<'a, '_> {
    /// Returns the cases for the kernels that the parts ask for, and for the debug kernel.
    fn cases(&self, quick: bool) -> Result<(Vec<ProofCase<'a>>, Vec<ProofCase<'a>>)> {
        let Self {
            exercise, solution, ..
        } = *self;
        let variants = &exercise.task.variants;
        let variant = variants.defaults();
        let source = |text: String| CaseSource {
            text,
            variant: variant.clone(),
        };
        let all = |filter: &dyn Fn(&PartSettings) -> bool| -> Vec<usize> {
            let parts = exercise.task.parts.iter().enumerate();
            let wanted = parts.filter(|(_, part)| filter(&part.settings));
            wanted.map(|(index, _)| index).collect()
        };
        let filled = source(solution.filled(variants, &variant));
        let (mut cases, mut debug) = (Vec::new(), Vec::new());
        let kind = ProofKind::Solution;
        let parts = all(&|_| true);
        cases.push(self.case(kind, "solution", &filled, &parts, Claim::Passes)?);
        let parts = all(&|settings| settings.schedules.is_none());
        for (name, value, variant) in variants.others() {
            let subject = format!("solution with {name} = {value}");
            let text = solution.filled(variants, &variant);
            let source = CaseSource { text, variant };
            cases.push(self.case(kind, &subject, &source, &parts, Claim::Passes)?);
        }
        // A part with a profile of its own is about that kernel; another kernel has other functions.
        let on_debug = |settings: &PartSettings| {
            settings.profile.is_none() && settings.schedules.is_none() && !settings.judges_symbols()
        };
        let parts = all(&on_debug);
        if !quick && !parts.is_empty() {
            let kind = ProofKind::Debug;
            debug.push(self.case(kind, "solution", &filled, &parts, Claim::Passes)?);
        }
        let first_hole = exercise
            .task
            .parts
            .iter()
            .position(|part| part.settings.todo >= 1);
        for open in 1..=solution.todos() {
            let text = source(solution.skeleton(open, variants, &variant));
            let mut parts = all(&|settings| settings.todo < open);
            let subject = format!("TODO {open} open");
            if open > 1 {
                let kind = ProofKind::Step;
                cases.push(self.case(kind, &subject, &text, &parts, Claim::Passes)?);
            } else if let Some(hole) = first_hole {
                parts.retain(|part| *part < hole);
                parts.push(hole);
                let kind = ProofKind::Start;
                cases.push(self.case(kind, &subject, &text, &parts, Claim::FailsAtLast)?);
            }
        }
        let wrong = exercise.wrong.iter();
        for wrong in wrong.filter(|wrong| wrong.language == self.language) {
            let path = &wrong.path;
            let text = wrong.apply(&solution.text)?;
            let text = source(Solution::parse(&text, path, variants)?.filled(variants, &variant));
            let last = wrong
                .part
                .as_ref()
                .and_then(|part| exercise.task.part(part));
            let last = last.unwrap_or(exercise.task.parts.len() - 1);
            let parts: Vec<usize> = (0..=last).collect();
            let scheduled = exercise.task.parts[last].settings.schedules.is_some();
            if quick && scheduled && wrong.part.is_some() {
                continue;
            }
            let subject = format!("wrong/{}", wrong.item);
            let claim = Claim::Ends(wrong);
            cases.push(self.case(ProofKind::Wrong, &subject, &text, &parts, claim)?);
        }
        Ok((cases, debug))
    }

    fn case(
        &self,
        kind: ProofKind,
        subject: &str,
        source: &CaseSource,
        parts: &[usize],
        claim: Claim<'a>,
    ) -> Result<ProofCase<'a>> {
        let Self {
            exercise, language, ..
        } = *self;
        let is_other = |letter: char| !(letter.is_alphanumeric() || "._-".contains(letter));
        let word = subject.replace(is_other, "-");
        let name = format!("{}.{word}", exercise.module);
        let path = format!("{} ({subject})", exercise.shown.display());
        let source = AnswerSource {
            name,
            text: &source.text,
            shown: &Path::new(&path).join(exercise.answer_file(language)),
            task: None,
            variant: source.variant.clone(),
        };
        Ok(ProofCase {
            kind,
            subject: subject.to_owned(),
            claim,
            answer: Answer::with_parts(self.folder, exercise, language, &source, parts)?,
        })
    }
}

/// Returns the reason for which a claim does not hold.
fn failure(case: &ProofCase<'_>, result: &CheckResult, schedules: bool) -> Option<String> {
    if let Claim::Ends(wrong) = case.claim {
        return wrong_failure(wrong, result);
    }
    if !result.compiles() {
        return Some(result.compile.message.clone());
    }
    if !result.compile.warnings.is_empty() {
        return Some(format!("a warning:\n{}", result.compile.warnings));
    }
    let last = result.parts.len().checked_sub(1)?;
    for (index, part) in result.parts.iter().enumerate() {
        let fails = index == last && matches!(case.claim, Claim::FailsAtLast);
        let left_out = part.schedules.is_some() && !schedules;
        match part.state {
            PartState::Passed if fails => {
                let title = &part.title;
                return Some(format!("`{title}` passes, and has a `todo` that is open"));
            }
            PartState::Passed => {}
            PartState::Failed if fails => {}
            PartState::NotRun if left_out => {}
            _ => return Some(part_failure(part)),
        }
    }
    None
}

/// Returns a sentence about a part that did not pass.
fn part_failure(part: &PartResult) -> String {
    let PartResult {
        title,
        verdict,
        message,
        schedules,
        ..
    } = part;
    let seed = schedules.and_then(|schedules| schedules.first_failing_seed);
    let seed = seed.map_or_else(String::new, |seed| format!(" with seed {seed}"));
    format!("`{title}` ends with {verdict}{seed}: {message}")
}

/// Returns the reason for which a wrong answer does not end as its header says.
fn wrong_failure(wrong: &WrongAnswer, result: &CheckResult) -> Option<String> {
    let expected = &wrong.verdict;
    let verdict = match result.compiles() {
        true => result.failed_part().map(|part| &part.verdict),
        false => Some(&result.compile.verdict),
    };
    if verdict != Some(expected) {
        let ends = match (result.compiles(), result.failed_part()) {
            (false, _) => result.compile.message.clone(),
            (true, Some(part)) => part_failure(part),
            (true, None) => match &wrong.part {
                Some(title) => format!("all parts up to `{title}` pass"),
                None => "all parts pass".to_owned(),
            },
        };
        return Some(format!("it does not end with {expected}: {ends}"));
    }
    if let Some(title) = &wrong.part
        && let Some(part) = result.failed_part()
        && part.title != *title
    {
        return Some(format!("not `{title}` fails, but {}", part_failure(part)));
    }
    if let Some(code) = &wrong.error
        && result.compile.error_code.as_ref() != Some(code)
        && !result.compile.message.contains(code)
    {
        return Some(format!(
            "the error is not {code}:\n{}",
            result.compile.message
        ));
    }
    let hint = wrong.hint.as_ref()?;
    // A student does not have this very answer among the wrong ones.
    let is_own = |source, heading: &str| source == HintSource::WrongAnswer && heading == wrong.item;
    let mut hints = result.hints.iter();
    let shown = hints.find(|shown| !is_own(shown.source, &shown.heading));
    match shown {
        Some(shown) if shown.heading == *hint || shown.text.starts_with(hint.as_str()) => None,
        Some(shown) => Some(format!(
            "the hint that is shown is not `{hint}`, but `{}`: {}",
            shown.heading, shown.text
        )),
        None => Some(format!("no hint is shown; it should be `{hint}`")),
    }
}
