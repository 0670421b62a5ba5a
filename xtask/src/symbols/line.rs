//! Parses the lines of a kernel's report that name code.

use crate::lesson::timestamp;

/// Returns a line of a report without its timestamp.
pub(super) fn message(line: &str) -> &str {
    timestamp::split_kernel(line)
        .map_or(line, |(_, rest)| rest)
        .trim_start()
}

/// An address in a line of a report: `func+0x12/0x80 [module]`, or in a section
/// `.init.text+0x12 [module]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SymbolReference<'a> {
    /// Name of the function or section.
    pub name: &'a str,
    /// Offset in bytes.
    pub offset: u64,
    /// Size of the function in bytes; 0 for a section.
    pub size: u64,
    /// The module; `None` is the kernel.
    pub module: Option<&'a str>,
    /// Position of the name in the line.
    pub at: usize,
}

/// Returns the first function that a line names.
pub(super) fn symbol_reference(line: &str) -> Option<SymbolReference<'_>> {
    line.match_indices("+0x")
        .find_map(|(plus, _)| symbol_reference_at(line, plus))
}

fn symbol_reference_at(line: &str, plus: usize) -> Option<SymbolReference<'_>> {
    let at = line[..plus].rfind(|c| !is_name(c)).map_or(0, |before| {
        before + line[before..].chars().next().map_or(1, char::len_utf8)
    });
    let name = &line[at..plus];
    let (offset, rest) = hex(&line[plus + 3..])?;
    let (size, rest) = match rest.strip_prefix("/0x") {
        Some(size) => hex(size)?,
        None if name.starts_with('.') && rest.starts_with(" [") => (0, rest),
        None => return None,
    };
    let module = rest.strip_prefix(" [").and_then(|rest| {
        // With CONFIG_STACKTRACE_BUILD_ID a number follows the name.
        let (module, _) = rest.split_once(']')?;
        module.split(' ').next()
    });
    (!name.is_empty()).then_some(SymbolReference {
        name,
        offset,
        size,
        module,
        at,
    })
}

/// Returns an address of the kernel in a position where a line usually has a
/// function.
pub(super) fn bare_address(line: &str) -> Option<u64> {
    line.match_indices("0xffffffff").find_map(|(at, text)| {
        let before = line[..at].trim_end();
        let is_code = before.is_empty()
            || before.ends_with(['?', ']'])
            || before.ends_with("RIP: 0010:")
            || is_work(line)
            || OF_EARLIER_CALLS
                .iter()
                .any(|text| before.ends_with(text.trim_end()));
        let (address, rest) = hex(&line[at + 2..])?;
        let alone = rest.is_empty() || rest.starts_with(' ');
        (is_code && alone && text.len() == 10).then_some(address)
    })
}

/// Returns the module that was unloaded last, if the line names it.
pub(super) fn unloaded(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("[last unloaded: ")?;
    rest.split(['(', ']', ' ']).next()
}

/// Returns true if the line names the address of an instruction itself, and not the
/// return address of a call.
pub(super) fn is_exact(line: &str) -> bool {
    line.contains("RIP: ") || line.contains("WARNING: ")
}

/// Returns true if the line names the function of the work item that a worker runs: `Workqueue: events f [x]`.
pub(super) fn is_work(line: &str) -> bool {
    line.contains("Workqueue: ")
}

/// Returns true if the kernel is not sure that the address is a caller's: it found the
/// address somewhere on the stack.
pub(super) fn is_guess(message: &str) -> bool {
    message.starts_with("? ")
}

/// Beginnings of SLUB's and KASAN's lines above the stack of an earlier call, and of the scheduler's above the
/// address from which preemption is disabled.
const OF_EARLIER_CALLS: [&str; 6] = [
    "Allocated in ",
    "Freed in ",
    "Allocated by task ",
    "Freed by task ",
    "Last potentially related work creation",
    "Preemption disabled at",
];

/// Returns true if the line begins a part of a report that is about an earlier call, and false if it begins one
/// about what the CPU does now; `None` for other lines.
pub(super) fn begins_earlier_call(message: &str) -> Option<bool> {
    let begins = |text: &&str| message.starts_with(*text);
    match OF_EARLIER_CALLS.iter().any(begins) {
        true => Some(true),
        false => ["CPU: ", "RIP: ", "Call Trace", "Slab 0x"]
            .iter()
            .any(begins)
            .then_some(false),
    }
}

/// Returns true if the line names where a lock was taken that a task holds: ` #0: ffff888004 (&lock){+.+.}, at: f+0x1`.
pub(super) fn is_held_lock(message: &str) -> bool {
    let number = message
        .strip_prefix('#')
        .and_then(|rest| rest.split_once(':'));
    number.is_some_and(|(number, _)| !number.is_empty() && digits(number) == number)
}

/// Returns true if the line is the first of KCSAN's report, which may name a function of a stack
/// below.
pub(super) fn is_race_headline(message: &str) -> bool {
    message.starts_with("BUG: KCSAN: ")
}

/// The name of a task of which the report has only the PID, as KCSAN's has of one task.
pub(super) const UNNAMED: &str = "task";

/// Returns name and PID of the task that a line of a report is about.
pub(super) fn task(message: &str) -> Option<(&str, &str)> {
    // kmemleak names the task that allocated the memory.
    if let Some(rest) = message.strip_prefix("comm \"") {
        let (name, rest) = rest.split_once("\", pid ")?;
        return Some((name, digits(rest)));
    }
    if let Some(rest) = message.strip_prefix("task:") {
        let (name, rest) = rest.split_once(" state:")?;
        let (_, pid) = rest.split_once(" pid:")?;
        return Some((name.trim_end(), digits(pid.trim_start())));
    }
    if let Some((access, rest)) = message.split_once(" by task ")
        && access.contains(" to 0x")
    {
        return Some((UNNAMED, digits(rest)));
    }
    let (cpu, rest) = message.strip_prefix("CPU: ")?.split_once(" PID: ")?;
    if cpu.is_empty() {
        return None;
    }
    let (_, name) = rest.split_once(" Comm: ")?;
    let end = [" Tainted: ", " Not tainted"]
        .iter()
        .filter_map(|end| name.find(end))
        .min()?;
    Some((name[..end].trim_end(), digits(rest)))
}

/// Returns the CPU that a report's line `CPU: 1 PID: 56 Comm: ...` is about.
pub(super) fn cpu(message: &str) -> Option<&str> {
    let cpu = digits(message.strip_prefix("CPU: ")?);
    (!cpu.is_empty()).then_some(cpu)
}

/// Returns true if a report is that of a crash or a warning: its registers are those of the code at fault. A detector
/// of hangs comes in an interrupt itself.
pub(super) fn is_crash<'a>(messages: impl Iterator<Item = &'a str>) -> bool {
    let mut crashes = false;
    for message in messages {
        if message.starts_with("watchdog: ")
            || message.contains("NMI")
            || message.contains("rcu: INFO")
        {
            return false;
        }
        crashes |= ["Oops", "WARNING: ", "kernel BUG at "]
            .iter()
            .any(|begin| message.starts_with(begin));
    }
    crashes
}

/// Returns true if the first stack in these lines of a report is that of an interrupt: it ends at the interrupt's
/// entry, above the registers of the code that was interrupted.
pub(super) fn met_interrupt<'a>(messages: impl Iterator<Item = &'a str>) -> bool {
    let stack = messages
        .skip_while(|message| !message.starts_with("Call Trace"))
        .take_while(|message| {
            !message.starts_with("RIP: ") && !message.starts_with("Modules linked in")
        });
    let entries = ["asm_sysvec_", "asm_common_interrupt"];
    let mut frames = stack.filter(|message| !is_guess(message));
    frames.any(|message| entries.iter().any(|entry| message.starts_with(entry)))
}

fn digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit());
    &text[..end.unwrap_or(text.len())]
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '$')
}

/// Parses hexadecimal digits; returns the rest of the text too.
fn hex(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_hexdigit())
        .unwrap_or(text.len());
    Some((u64::from_str_radix(&text[..end], 16).ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str) -> Option<(&str, u64, u64, Option<&str>)> {
        symbol_reference(line).map(|m| (m.name, m.offset, m.size, m.module))
    }

    #[test]
    fn functions_are_found_in_lines() {
        assert_eq!(
            named("[    4.163522]  _RNvCs_1x7element+0x39/0x3b [fails]"),
            Some(("_RNvCs_1x7element", 0x39, 0x3b, Some("fails")))
        );
        assert_eq!(
            named("[    4.1] RIP: 0010:rust_helper_BUG+0x4/0x10"),
            Some(("rust_helper_BUG", 4, 16, None))
        );
        assert_eq!(
            named("WARNING: CPU: 1 PID: 57 at init/main.c:1253 do_one.cold+0x1eb/0x240"),
            Some(("do_one.cold", 0x1eb, 0x240, None))
        );
        assert_eq!(
            named("BUG: KASAN: slab-use-after-free in f+0x1/0x2 [m 0123abcd]"),
            Some(("f", 1, 2, Some("m")))
        );
        assert_eq!(
            named("    0xffffffffc0008024 .init.text+0x24 [x]"),
            Some((".init.text", 0x24, 0, Some("x")))
        );
        assert_eq!(named(".init.text+0x24"), None);
        assert_eq!(named("é+0x1/0x2"), None);
        assert_eq!(named("x+0x1/0x é+0xé f+0x1/0x2"), Some(("f", 1, 2, None)));
        for line in [
            "",
            "+0x",
            "f+0x",
            "f+0x1",
            "f+0x1/0x",
            "f+0xfffffffffffffffff/0x1",
        ] {
            assert_eq!(named(line), None, "{line}");
        }
    }

    #[test]
    fn addresses_stand_where_functions_do() {
        let address = Some(0xffff_ffff_a000_0aee);
        assert_eq!(bare_address("[ 1.0] RIP: 0010:0xffffffffa0000aee"), address);
        assert_eq!(bare_address("[ 1.0]  ? 0xffffffffa0000aee"), address);
        assert_eq!(bare_address("[ 1.0]  0xffffffffa0000aee"), address);
        assert_eq!(bare_address("      0xffffffffa0000aee"), address);
        let work = "[ 1.0] Workqueue: events 0xffffffffa0000aee";
        assert_eq!(bare_address(work), address);
        for line in [
            "RIP: 0033:0x47fbe9",
            "BUG: unable to handle page fault for address: 0xffffffffa0000aee",
            "RIP: 0010:0xffffffffa0000aee0",
        ] {
            assert_eq!(bare_address(line), None, "{line}");
        }
    }

    #[test]
    fn stacks_of_earlier_calls_are_told_from_that_of_now() {
        for (message, expected) in [
            (
                "Allocated in 0xffffffffa001c01a age=37 cpu=0 pid=41",
                Some(true),
            ),
            ("Freed by task 41:", Some(true)),
            ("Preemption disabled at:", Some(true)),
            ("CPU: 1 UID: 0 PID: 43 Comm: rmmod Tainted: G", Some(false)),
            ("Call Trace:", Some(false)),
            ("kfree+0x1b5/0x2b0", None),
        ] {
            assert_eq!(begins_earlier_call(message), expected, "{message}");
        }
        assert!(is_held_lock(
            "#0: ffffffffa0016018 (lock#5){+.+.}-{2:2}, at: f+0x10/0x20 [x]"
        ));
        assert!(!is_held_lock("#x: f+0x10/0x20 [x]"));
        let address = bare_address("[   11.9] Allocated in 0xffffffffa001c01a age=37 cpu=0 pid=41");
        assert_eq!(address, Some(0xffff_ffff_a001_c01a));
    }

    #[test]
    fn a_crash_in_an_interrupt_is_told_from_a_detected_hang() {
        let crash = [
            "Oops: Oops: 0010 [#1] PREEMPT SMP",
            "CPU: 1 UID: 0 PID: 40 Comm: sh Tainted: G",
            "RIP: 0010:tick+0x1/0x10 [uaf]",
            "Call Trace:",
            "call_timer_fn+0x10/0x20",
            "? asm_sysvec_apic_timer_interrupt+0x1b/0x20",
            "asm_sysvec_apic_timer_interrupt+0x1b/0x20",
            "RIP: 0033:0x401000",
        ];
        assert_eq!(cpu(crash[1]), Some("1"));
        assert!(is_crash(crash.into_iter()));
        assert!(met_interrupt(crash[2..].iter().copied()));
        // The code that an interrupt meets is not the interrupt's.
        let process = [&crash[2..5], &["RIP: 0033:0x401000"], &crash[6..7]].concat();
        assert!(!met_interrupt(process.into_iter()));
        let hang = ["watchdog: BUG: soft lockup - CPU#0 stuck", crash[0]];
        assert!(!is_crash(hang.into_iter()));
    }

    #[test]
    fn the_unloaded_module_is_found() {
        let line = "Modules linked in: a(O) [last unloaded: fails_x(O)]";
        assert_eq!(unloaded(line), Some("fails_x"));
        assert_eq!(unloaded("Modules linked in: a(O)"), None);
    }

    #[test]
    fn tasks_are_found_by_name_and_number() {
        assert_eq!(
            task("task:deadlocked      state:D stack:0     pid:59    tgid:59    ppid:2"),
            Some(("deadlocked", "59"))
        );
        for line in [
            "CPU: 1 UID: 0 PID: 56 Comm: runs on Tainted: G           O       6.12.117 #1",
            "CPU: 1 PID: 56 Comm: runs on Not tainted 6.7.3 #1",
        ] {
            assert_eq!(task(line), Some(("runs on", "56")));
        }
        assert_eq!(
            task("comm \"runs on\", pid 60, jiffies 4294894000"),
            Some(("runs on", "60"))
        );
        // In a report of KCSAN.
        for line in [
            "write to 0xffff888000162c50 of 12 bytes by task 42 on cpu 0:",
            "race at unknown origin, with read to 0xffff88 of 4 bytes by task 42 on cpu 1:",
        ] {
            assert_eq!(task(line), Some((UNNAMED, "42")));
        }
        for line in [
            "",
            "x by task 42",
            "comm \"",
            "task:",
            "CPU: 1",
            "CPU: 1 PID: x Comm: ",
        ] {
            assert_eq!(task(line), None, "{line}");
        }
    }
}
