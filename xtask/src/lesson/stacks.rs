//! The stacks of CPUs and tasks in the kernel's log, when the kernel prints those of all: the
//! ones that show where a guest hangs.

use super::timestamp;
use super::trim::trim_report;

/// The kernel's messages before the stacks of all CPUs that the agent asks for at a time-out.
pub(super) const ALL_CPUS: &str = "sysrq: Show backtrace of all active CPUs";

/// Beginnings of messages with which a stack begins.
const TASK: &str = "task:";
const CPU: &str = "NMI backtrace for cpu ";

/// Beginnings of messages between the stacks.
const BETWEEN: &[&str] = &[
    "Sending NMI from CPU ",
    "INFO: NMI handler ",
    "sysrq: ",
    "Showing ",
    "workqueue ",
    "pool ",
    "Sched Debug ",
    "Kernel Offset: ",
    "---[ end Kernel panic",
];

/// The stack of a CPU or a task, with the lines above it.
struct Stack<'a> {
    lines: Vec<&'a String>,
}

impl Stack<'_> {
    fn messages(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| message(line))
    }

    fn first(&self) -> &str {
        self.messages().next().unwrap_or_default()
    }

    /// Returns the number of the CPU whose stack it is.
    fn cpu(&self) -> Option<&str> {
        self.first().strip_prefix(CPU)?.split(' ').next()
    }

    /// Returns the PID of the task.
    fn pid(&self) -> Option<&str> {
        let (_, after) = self
            .messages()
            .find_map(|message| message.split_once(" PID: "))
            .or_else(|| self.first().split_once(" pid:"))?;
        after.split_whitespace().next()
    }

    /// Reports whether the CPU had nothing to do. Each CPU has an idle task with the PID 0, which an
    /// interrupt may have stopped that runs code of a module.
    fn is_idle(&self) -> bool {
        self.pid() == Some("0") && !self.has_module_code()
    }

    fn has_module_code(&self) -> bool {
        self.messages().any(is_module_code)
    }

    /// Reports whether the task is a program's, and does not wait for another program: neither
    /// the agent nor the shell, nor a thread of the kernel.
    fn is_program(&self) -> bool {
        let parent = self.first().split_once(" ppid:").map(|(_, after)| after);
        let parent = parent.and_then(|after| after.split_whitespace().next());
        let waits = || {
            self.messages()
                .any(|message| message.contains("do_wait+0x"))
        };
        !matches!(parent, None | Some("0" | "2")) && !waits()
    }

    /// Returns the lines without the frames of the interrupt in which a CPU printed them.
    fn trimmed(&self) -> Vec<String> {
        let mut in_interrupt = false;
        let lines = self.lines.iter().filter(|line| {
            let message = message(line);
            in_interrupt |= message == "<NMI>";
            let is_code = message.starts_with("RIP: ");
            let keep = !in_interrupt || is_code;
            in_interrupt &= message != "</NMI>";
            keep
        });
        let mut lines = trim_report(lines.map(|line| (*line).clone()).collect());
        // One line at the end counts what was left out of all stacks.
        lines.retain(|line| !line.ends_with("are left out)"));
        lines
    }
}

/// Returns the parts of a report of a hang that show where: the beginning, up to the stacks of all
/// CPUs and tasks, and those stacks that have code of a module. If none has, it returns the stacks of
/// programs instead. Lines without such stacks are returned trimmed.
pub(super) fn relevant(lines: &[String]) -> Vec<String> {
    let lines = &with_interrupted_functions(lines);
    let begins = |line: &String| {
        [TASK, CPU]
            .iter()
            .any(|begin| message(line).starts_with(begin))
    };
    let beginning = lines.iter().position(begins).unwrap_or(lines.len());
    let (beginning, dump) = lines.split_at(beginning);
    if dump.is_empty() {
        return trim_report(lines.to_vec());
    }
    let mut stacks: Vec<Stack<'_>> = Vec::new();
    let mut between = true;
    for line in dump {
        if begins(line) {
            stacks.push(Stack { lines: Vec::new() });
            between = false;
        }
        between |= BETWEEN.iter().any(|begin| message(line).starts_with(begin));
        if let Some(stack) = stacks.last_mut().filter(|_| !between) {
            stack.lines.push(line);
        }
    }
    let beginning = Stack {
        lines: beginning
            .iter()
            .filter(|line| !BETWEEN.iter().any(|begin| message(line).starts_with(begin)))
            .collect(),
    };
    let mut report = Vec::new();
    let mut shown: Vec<&str> = Vec::new();
    if beginning.is_idle() {
        // Only the headline: that CPU printed the stacks, and is idle itself.
        report.extend(beginning.lines.first().map(|line| (*line).clone()));
    } else {
        report.extend(beginning.trimmed());
        shown.extend(beginning.pid());
    }
    let idle = stacks.iter().filter(|stack| stack.is_idle());
    let idle: Vec<&str> = idle.filter_map(Stack::cpu).collect();
    let in_modules = |stack: &&Stack<'_>| stack.has_module_code();
    let show_programs = !beginning.has_module_code() && !stacks.iter().any(|s| s.has_module_code());
    let mut left_out = 0;
    for stack in &stacks {
        let pid = stack.pid();
        let repeats = pid.is_some_and(|pid| shown.contains(&pid));
        let show = in_modules(&stack) || show_programs && stack.is_program();
        if show && !repeats && !stack.is_idle() {
            report.extend(stack.trimmed());
            shown.extend(pid);
        } else if !repeats && stack.cpu().is_none() {
            left_out += 1;
        }
    }
    report.extend(idle.iter().map(|cpu| format!("(CPU {cpu} was idle)")));
    if left_out > 0 {
        report.push(format!(
            "(the stacks of {left_out} other tasks and some lines are left out)"
        ));
    }
    report
}

/// The code with which the kernel begins to serve an interrupt (arch/x86/entry/entry_64.S).
const INTERRUPT_ENTRY: &str = "RIP: 0010:asm_";

/// Returns the lines in which the function that an interrupt has just stopped is a frame. The kernel marks it as a
/// guess, `? `, because the interrupt's code has no frame yet, but what is on top of the stack is the place to return
/// to.
fn with_interrupted_functions(lines: &[String]) -> Vec<String> {
    let mut at_entry = false;
    let certain = lines.iter().map(|line| {
        let message = message(line);
        let is_top = at_entry && message.contains("+0x") && !message.starts_with("RIP: ");
        at_entry = !is_top && (at_entry || message.starts_with(INTERRUPT_ENTRY));
        match is_top && message.starts_with("? ") {
            true => line.replacen("? ", "", 1),
            false => line.clone(),
        }
    });
    certain.collect()
}

/// Returns whether a line of a stack names code of a module, and the kernel is sure of it.
fn is_module_code(message: &str) -> bool {
    let is_frame = !message.starts_with("? ") && message.contains("+0x");
    is_frame && message.ends_with(']') && !message.contains(" RSP: ")
}

fn message(line: &str) -> &str {
    timestamp::split_kernel(line)
        .map_or(line, |(_, rest)| rest)
        .trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relevant_lines(lines: &[&str]) -> Vec<String> {
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        relevant(&lines)
    }

    const INIT: [&str; 3] = [
        "[    2.000000] task:init            state:S stack:0     pid:1     tgid:1     ppid:0      flags:0x0",
        "[    2.000000] Call Trace:",
        "[    2.000000]  do_poll+0x1/0x2",
    ];

    const SLEEP: [&str; 3] = [
        "[    2.100000] task:sleep           state:S stack:0     pid:9     tgid:9     ppid:7      flags:0x0",
        "[    2.100000] Call Trace:",
        "[    2.100000]  hrtimer_nanosleep+0x1/0x2",
    ];

    const RMMOD: [&str; 4] = [
        "[    2.200000] task:rmmod           state:D stack:0     pid:8     tgid:8     ppid:7      flags:0x0",
        "[    2.200000] Call Trace:",
        "[    2.200000]  kthread_stop+0x1/0x2",
        "[    2.200000]  cleanup_module+0x1/0x2 [x]",
    ];

    const IDLE: [&str; 3] = [
        "[    2.300000] NMI backtrace for cpu 1",
        "[    2.300000] CPU: 1 UID: 0 PID: 0 Comm: swapper/1 Tainted: G           O       6.12.117 #1",
        "[    2.300000] RIP: 0010:pv_native_safe_halt+0x16/0x20",
    ];

    #[test]
    fn stacks_with_module_code_are_shown() {
        let lines = [
            &INIT[..],
            &SLEEP,
            &RMMOD,
            &["[    2.300000] Sending NMI from CPU 0 to CPUs 1:"],
            &IDLE,
        ]
        .concat();
        let mut expected: Vec<String> = RMMOD.iter().map(ToString::to_string).collect();
        expected.push("(CPU 1 was idle)".to_owned());
        expected.push("(the stacks of 2 other tasks and some lines are left out)".to_owned());
        assert_eq!(relevant_lines(&lines), expected);
    }

    #[test]
    fn the_function_that_an_interrupt_has_just_stopped_is_a_frame() {
        let stopped = [
            IDLE[0],
            "[    2.300000] CPU: 1 UID: 0 PID: 40 Comm: insmod Tainted: G           O       6.12.117 #1",
            "[    2.300000] RIP: 0010:asm_sysvec_apic_timer_interrupt+0x0/0x20",
            "[    2.300000] Call Trace:",
            "[    2.300000]  <TASK>",
            "[    2.300000]  ? init_module+0x6/0x1000 [own]",
            "[    2.300000]  do_one_initcall+0xe1/0x250",
            "[    2.300000]  ? guess+0x1/0x20 [other]",
        ];
        let shown = relevant_lines(&[&INIT[..], &stopped].concat());
        assert!(shown.contains(&stopped[5].replace("? ", "")), "{shown:?}");
        assert!(
            !shown.iter().any(|line| line.contains("[other]")),
            "{shown:?}"
        );
        let elsewhere = relevant_lines(
            &[
                &stopped[..2],
                &["[    2.300000] RIP: 0010:f+0x1/0x2"],
                &stopped[3..],
            ]
            .concat(),
        );
        assert!(
            !elsewhere.iter().any(|line| line.contains("[own]")),
            "{elsewhere:?}"
        );
    }

    #[test]
    fn an_interrupt_of_an_idle_cpu_that_runs_a_module_is_shown() {
        let interrupted = [
            IDLE[0],
            IDLE[1],
            "[    2.300000] RIP: 0010:lock_timer_base+0x74/0x90",
            "[    2.300000] Call Trace:",
            "[    2.300000]  <IRQ>",
            "[    2.300000]  mod_timer+0xb/0x10",
            "[    2.300000]  blink+0x17/0x20 [x]",
            "[    2.300000]  </IRQ>",
            "[    2.300000]  default_idle+0x9/0x10",
        ];
        let lines = [&INIT[..], &interrupted].concat();
        let shown = relevant_lines(&lines);
        let missing = |line: &&&str| !shown.iter().any(|shown| shown == *line);
        let missing: Vec<_> = interrupted.iter().filter(missing).collect();
        // The marks of the interrupt are left out, as in other reports.
        assert_eq!(missing, [&interrupted[4], &interrupted[7]]);
    }

    #[test]
    fn without_module_code_the_programs_are_shown() {
        let lines = [&INIT[..], &SLEEP].concat();
        let shown = relevant_lines(&lines);
        assert_eq!(shown[..3], SLEEP);
        assert_eq!(
            shown[3..],
            ["(the stacks of 1 other tasks and some lines are left out)"]
        );
    }

    #[test]
    fn a_cpu_that_was_interrupted_shows_only_its_own_frames() {
        let panic = [
            "[    1.000000] Kernel panic - not syncing: NMI: Not continuing",
            "[    1.000000] CPU: 0 UID: 0 PID: 40 Comm: insmod Tainted: G           O       6.12.117 #1",
            "[    1.000000] Call Trace:",
            "[    1.000000]  <NMI>",
            "[    1.000000]  panic+0xfa/0x290",
            "[    1.000000] RIP: 0010:init_module+0x6/0x1000 [x]",
            "[    1.000000] RSP: 0018:ffffc900001b7aa0 EFLAGS: 00000206",
            "[    1.000000]  </NMI>",
            "[    1.000000]  do_one_initcall+0xe1/0x250",
        ];
        let again = [
            "[    1.100000] NMI backtrace for cpu 0",
            "[    1.100000] CPU: 0 UID: 0 PID: 40 Comm: insmod Tainted: G           O       6.12.117 #1",
            "[    1.100000] RIP: 0010:init_module+0x6/0x1000 [x]",
        ];
        let lines = [&panic[..], &again, &IDLE].concat();
        let mut expected: Vec<String> = [0, 1, 2, 5, 8].map(|line| panic[line].to_owned()).into();
        expected.push("(CPU 1 was idle)".to_owned());
        assert_eq!(relevant_lines(&lines), expected);
    }

    #[test]
    fn an_idle_cpu_that_panics_shows_only_the_headline() {
        let panic = [
            "[    1.000000] Kernel panic - not syncing: NMI: Not continuing",
            "[    1.000000] CPU: 0 UID: 0 PID: 0 Comm: swapper/0 Tainted: G           O       6.12.117 #1",
            "[    1.000000] Call Trace:",
            "[    1.000000]  panic+0xfa/0x290",
        ];
        let lines = [&panic[..], &RMMOD].concat();
        let expected: Vec<String> = [&panic[..1], &RMMOD]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(relevant_lines(&lines), expected);
    }

    #[test]
    fn a_report_without_a_dump_is_trimmed() {
        let lines = ["INFO: task x:1 blocked", "Call Trace:", " f+0x1/0x2"];
        assert_eq!(relevant_lines(&lines), lines);
    }
}
