//! Complaints that only their level shows.

use super::*;

const UNKNOWN: &str = "x: unknown parameter 'y' ignored";

/// Returns the verdict for a lesson with this text, whose third step logs a message of the kernel.
fn verdict_with(text: &str, steps: &[Vec<Message>], level: u8, message: &str) -> Verdict {
    let log = format!("{LOG}<{level}>[    3.900000] {message}\r\n");
    verdict_of(
        &lesson_of(text),
        &bytes(&run(steps)),
        log.as_bytes(),
        GuestEnd::Ended,
    )
}

#[test]
fn a_level_makes_a_kernel_report() {
    let verdict = verdict_with(README, &steps(), 4, UNKNOWN);
    assert_eq!(verdict.name(), "kernel-report");
    assert_eq!(verdict.subject(), Some("warning"));
    assert_eq!(
        verdict.to_string(),
        format!("the kernel reported: {UNKNOWN}")
    );
    assert_eq!(verdict.location().map(|place| place.line), Some(8));
    // A notice, a line of a program, and a message of the module.
    assert!(verdict_with(README, &steps(), 5, UNKNOWN).passed());
    assert!(verdict_with(README, &steps(), 12, UNKNOWN).passed());
    assert!(verdict_with(README, &steps(), 4, "x: unknown").passed());
}

#[test]
fn the_text_may_expect_a_complaint() {
    let output = format!("[    3.900000] {UNKNOWN}\n");
    let steps = [step(1, "", 0), step(2, DMESG, 0), step(3, &output, 0)];
    for (expected, passes) in [
        ("[..] x: unknown parameter 'y' ignored", true),
        ("[..] x: unknown parameter [..]", true),
        ("[+0.1s] x: unknown parameter 'y' ignored", true),
        ("[..] x: [..]", false),
        ("[..]", false),
        ("...", false),
    ] {
        let text = README.replace("rmmod x\n", &format!("rmmod x\n{expected}\n"));
        let verdict = verdict_with(&text, &steps, 4, UNKNOWN);
        let name = if passes { "pass" } else { "kernel-report" };
        assert_eq!(verdict.name(), name, "{expected}");
    }
}

#[test]
fn a_refusal_belongs_to_a_command_that_is_to_fail() {
    let refusal = "x: `y' invalid for parameter `z'";
    let fails = [step(1, "", 0), step(2, DMESG, 0), step(3, "", 1)];
    let text = README.replace("rmmod x\n", "rmmod x\n? 1\n");
    assert!(verdict_with(&text, &fails, 3, refusal).passed());
    let hidden = verdict_with(README, &steps(), 3, refusal);
    assert_eq!(hidden.name(), "kernel-report");
    // Any other complaint is one, whether the command is to fail or not.
    let verdict = verdict_with(&text, &fails, 4, UNKNOWN);
    assert_eq!(verdict.name(), "kernel-report");
}
