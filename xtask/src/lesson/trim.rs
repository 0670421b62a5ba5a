//! Trims a kernel report: drops the lines that help only with a debugger.

use super::timestamp;

/// Beginnings of the messages that are dropped: registers, code bytes, and phrases that
/// are the same in every report.
const CLUTTER: &[&str] = &[
    "Code: ",
    "RSP: ",
    "RAX: ",
    "RDX: ",
    "RBP: ",
    "R10: ",
    "R13: ",
    "FS: ",
    "CS: ",
    "DR0: ",
    "DR3: ",
    "PKRU: ",
    "RIP: 0033:",
    "<TASK>",
    "</TASK>",
    "<IRQ>",
    "</IRQ>",
    "\"echo 0 > ",
    "Kernel Offset: ",
    "Tainted: ",
    "PGD ",
    "#PF: ",
];

/// Drops clutter from a report, and the stack frames that the kernel marks as uncertain if
/// there are certain ones. The artifacts have the whole log.
pub(super) fn trim_report(lines: Vec<String>) -> Vec<String> {
    let sure = lines.iter().any(|line| is_frame(message(line)));
    let all = lines.len();
    let mut left: Vec<String> = Vec::with_capacity(all);
    let (mut stacks, mut after_end, mut after_panic) = (0, false, false);
    for line in lines {
        let message = message(&line);
        // The kernel prints an oops's registers again after the end mark.
        let repeated = after_end && message.starts_with("RIP: ");
        after_end |= message.starts_with("---[ end trace");
        // A hang detector prints the stacks of the tasks that it found and then panics,
        // which prints its own stack.
        let detectors_own = after_panic && !message.starts_with("Kernel panic");
        stacks += usize::from(message == "Call Trace:");
        after_panic |= stacks > 0 && message.starts_with("Kernel panic");
        let clutter = CLUTTER.iter().any(|begin| message.starts_with(begin))
            || sure && message.starts_with("? ")
            || message.starts_with("CR2: ") && message.contains(" CR3: ");
        if !clutter && !repeated && !detectors_own {
            left.push(line);
        }
    }
    if left.len() < all {
        left.push(format!(
            "({} lines with registers, uncertain frames and the like are left out)",
            all - left.len()
        ));
    }
    left
}

fn message(line: &str) -> &str {
    timestamp::split_kernel(line)
        .map_or(line, |(_, rest)| rest)
        .trim_start()
}

/// Returns whether a message is `function+0x12/0x34` or `function+0x12/0x34 [module]`.
fn is_frame(message: &str) -> bool {
    let frame = message.split_once(" [").map_or(message, |(frame, _)| frame);
    frame.contains("+0x") && !frame.contains(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(lines: &[&str]) -> Vec<String> {
        trim_report(lines.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_report_without_clutter_is_unchanged() {
        let lines = ["WARNING: x", "[    1.000000]  ? guess+0x1/0x2"];
        assert_eq!(left(&lines), lines);
    }

    #[test]
    fn registers_and_uncertain_frames_are_left_out() {
        let lines = [
            "[    1.000000] BUG: x",
            "[    1.000001] RIP: 0010:f+0x1/0x2",
            "[    1.000002] Code: cc",
            "[    1.000003] CR2: 0000000000000010 CR3: 0000000001613000 CR4: 00000000000006b0",
            "[    1.000004] Call Trace:",
            "[    1.000005]  <TASK>",
            "[    1.000006]  ? guess+0x1/0x2",
            "[    1.000007]  g+0x1/0x2 [x]",
            "[    1.000008] CR2: 0000000000000010",
            "[    1.000009] ---[ end trace 0000000000000000 ]---",
            "[    1.000010] RIP: 0010:f+0x1/0x2",
            "[    1.000011] Kernel panic - not syncing: Fatal exception",
        ];
        let kept = [0, 1, 4, 7, 8, 9, 11].map(|line| lines[line]);
        let left = left(&lines);
        assert_eq!(left[..7], kept);
        assert_eq!(
            left[7..],
            ["(5 lines with registers, uncertain frames and the like are left out)"]
        );
    }
}
