//! The cause of a failure, which comes before its consequence.

use super::{Case, Evidence, Lesson, Mismatch, Origins, TextLocation, Tolerance, Verdict};
use crate::modules::kernel_name;

/// Returns the first command whose output or exit status differs from the text, among those that
/// had ended before the command that a verdict is about: the cause comes before the consequence.
/// Returns `None` for a verdict that is about a mismatch itself or not about commands.
pub fn earlier_mismatch(
    lesson: &Lesson,
    evidence: &Evidence,
    tolerance: Tolerance,
    verdict: &Verdict,
) -> Option<Mismatch> {
    match verdict {
        Verdict::KernelReport { .. }
        | Verdict::Panic { .. }
        | Verdict::Hang { .. }
        | Verdict::OutputLimit { .. }
        | Verdict::ShellLost { .. }
        | Verdict::GuestLost { .. } => {}
        _ => return None,
    }
    let case = Case {
        lesson,
        tolerance,
        record: &evidence.record,
        log: &evidence.log,
        origins: &Origins::default,
    };
    let (first, _) = case.mismatches()?;
    let is_before = |location: &TextLocation| first.location.line < location.line;
    verdict.location().is_none_or(is_before).then_some(first)
}

/// Returns a sentence about the command that a verdict is about, if the text says that this command
/// fails and the kernel's report shows that the command did its work: it removed or loaded a
/// module, and the kernel stopped before the command had ended.
pub fn unexpected_success(lesson: &Lesson, verdict: &Verdict) -> Option<String> {
    let (report, location) = (verdict.kernel_report()?, verdict.location()?);
    let mut steps = lesson.transcript.steps.iter();
    let step = steps.find(|step| step.line == location.line && step.status != 0)?;
    let line = report
        .iter()
        .find_map(|line| line.split_once("Modules linked in:"))?
        .1;
    let (loaded, unloaded) = line.split_once("[last unloaded: ").unwrap_or((line, ""));
    // NAME(FLAGS), where `+` and `-` are those of a module that is being loaded or removed.
    let is_of = |name: &str, words: &str| {
        let mut words = words
            .split_whitespace()
            .map(|word| word.trim_end_matches(']'));
        words.any(|word| word.split('(').next() == Some(name) && !word.contains(['+', '-']))
    };
    let what = command_with_module(&step.command, "rmmod")
        .filter(|name| is_of(name, unloaded) && !is_of(name, loaded))
        .map(|name| format!("removed the module {name}"))
        .or_else(|| {
            let name = command_with_module(&step.command, "insmod")?;
            is_of(&name, loaded).then(|| format!("loaded the module {name}"))
        })?;
    Some(format!(
        "this command {what}, and the text says that it ends with status {}",
        step.status
    ))
}

/// Returns the kernel's name of the module after a command's name: `rmmod -f NAME`,
/// `insmod NAME.ko`.
fn command_with_module(command: &str, program: &str) -> Option<String> {
    let mut words = command.split([' ', '\n', ';', '&', '|', '(', ')']);
    words.find(|word| *word == program)?;
    let word = words.find(|word| !word.is_empty() && !word.starts_with('-'))?;
    let file = word.rsplit('/').next()?;
    Some(kernel_name(file.strip_suffix(".ko").unwrap_or(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_of_a_command_is_its_first_operand() {
        for (command, program, module) in [
            ("rmmod a-b", "rmmod", Some("a_b")),
            ("(rmmod -f x)", "rmmod", Some("x")),
            ("insmod ./a-b.ko y=1; true", "insmod", Some("a_b")),
            ("insmod x.ko", "rmmod", None),
            ("rmmod", "rmmod", None),
        ] {
            let found = command_with_module(command, program);
            assert_eq!(found.as_deref(), module, "{command}");
        }
    }
}
