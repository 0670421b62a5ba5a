//! The symbols of the kernel that a submitted module may use.
//!
//! A module in C can call every exported function by its name. The list has the functions of the
//! lessons' topics; those that read files of the guest, change the kernel's code, find other modules
//! or end the guest are not on it.

use std::collections::BTreeSet;

use crate::lesson::compare::glob_matches;
use crate::modules::Language;

/// The list for C, one symbol a line; `*` stands for any letters.
const LIST: &str = include_str!("allowed_imports.txt");

/// Returns the symbols of a module, sorted, that neither kmodlab's list has nor `more`; none in Rust,
/// whose safe code reaches the functions of the `kernel` crate alone.
pub fn not_allowed<'a>(
    symbols: impl IntoIterator<Item = &'a str>,
    language: Language,
    more: &[String],
) -> Vec<String> {
    if language == Language::Rust {
        return Vec::new();
    }
    let lines = LIST.lines().map(str::trim);
    let patterns = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let patterns: Vec<&str> = patterns.chain(more.iter().map(String::as_str)).collect();
    let allowed = |symbol: &str| patterns.iter().any(|pattern| glob_matches(pattern, symbol));
    let symbols: BTreeSet<&str> = symbols.into_iter().collect();
    let refused = symbols.into_iter().filter(|symbol| !allowed(symbol));
    refused.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_the_lessons_are_allowed_and_others_are_not() {
        let symbols = [
            "_printk",
            "kthread_create_on_node",
            "filp_open",
            "emergency_restart",
            "kmalloc_caches",
            "register_kprobe",
            "",
        ];
        assert_eq!(
            not_allowed(symbols, Language::C, &["filp_*".to_owned()]),
            ["", "emergency_restart", "register_kprobe"]
        );
        assert!(not_allowed(symbols, Language::Rust, &[]).is_empty());
    }

    #[test]
    fn the_list_is_sorted_and_has_no_dangerous_function() {
        let lines: Vec<&str> = LIST.lines().filter(|line| !line.starts_with('#')).collect();
        let mut sorted = lines.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(lines, sorted);
        let dangerous = [
            "access_process_vm",
            "add_taint",
            "call_usermodehelper",
            "console_printk",
            "do_exit",
            "emergency_restart",
            "filp_open",
            "find_module",
            "init_task",
            "ioremap",
            "kallsyms_lookup_name",
            "kernel_read",
            "kernel_restart",
            "kernel_write",
            "kill_pid",
            "machine_real_restart",
            "orderly_poweroff",
            "panic",
            "pid_task",
            "register_console",
            "register_ftrace_function",
            "register_kprobe",
            "send_sig",
            "set_memory_rw",
            "unregister_console",
            "vfs_write",
        ];
        let refused = not_allowed(dangerous, Language::C, &[]);
        assert_eq!(refused, dangerous);
    }
}
