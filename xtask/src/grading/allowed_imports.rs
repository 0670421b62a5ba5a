//! The symbols of the kernel that a submitted module may use.
//!
//! A module in C can call every exported function by its name. The list has the functions of the
//! lessons' topics, under the names that they have in each kernel and profile: many are macros or
//! inline functions, and the module uses another symbol, such as `__seq_puts` for `seq_puts`. Functions
//! that read files of the guest or memory of others, change the kernel's code, find other modules,
//! silence a report or end the guest are not on it. The test project `ordinary_calls` calls the
//! ordinary functions, and a test compares its symbols with the list on the kernel under test.

use std::collections::BTreeSet;

use crate::lesson::compare::glob_matches;
use crate::modules::Language;

/// The list for C, one symbol a line; `*` stands for any letters.
pub const LIST: &str = include_str!("allowed_imports.txt");

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
    fn functions_are_allowed_under_their_names_in_each_kernel() {
        let names = [
            "USER_PTR_MAX",           // put_user and clear_user
            "__WARN_trap",            // WARN
            "__alloc_percpu",         // alloc_percpu until 6.9
            "__get_random_u32_below", // get_random_u32_below
            "__kvmalloc_node_noprof", // kvzalloc
            "__seq_puts",             // seq_puts
            "__sw_hweight64",         // hweight_long
            "_ctype",                 // isspace
            "const_current_task",     // current
            "kernel_sigaction",       // allow_signal
            "memdup_user_nul",
            "mempool_create_node_noprof", // mempool_create
            "mempool_free",
            "pcpu_alloc_noprof",    // alloc_percpu
            "rep_stos_alternative", // clear_user
        ];
        assert_eq!(not_allowed(names, Language::C, &[]), [""; 0]);
    }

    #[test]
    fn the_list_is_sorted_and_has_no_dangerous_function() {
        let lines: Vec<&str> = LIST.lines().filter(|line| !line.starts_with('#')).collect();
        let mut sorted = lines.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(lines, sorted);
        // In the order of the alphabet, as the result is.
        let dangerous = [
            "__kernel_write",
            "__request_module",
            "__symbol_get",
            "__trace_bprintk",
            "access_process_vm",
            "add_taint",
            "alternatives_patched",
            "apply_to_page_range",
            "atomic_notifier_chain_register",
            "begin_new_exec",
            "call_usermodehelper",
            "call_usermodehelper_exec",
            "commit_creds",
            "console_printk",
            "copy_from_kernel_nofault",
            "debug_locks",
            "debug_locks_off",
            "do_exit",
            "do_settimeofday64",
            "emergency_restart",
            "filp_open",
            "find_get_pid",
            "find_module",
            "find_vpid",
            "follow_pte",
            "for_each_kernel_tracepoint",
            "force_sig",
            "ftrace_dump",
            "get_pid_task",
            "get_user_pages_remote",
            "handle_sysrq",
            "ignore_console_lock_warning",
            "init_pid_ns",
            "init_task",
            "init_user_ns",
            "ioremap",
            "kallsyms_lookup_name",
            "kasan_disable_current",
            "kcsan_disable_current",
            "kern_path",
            "kernel_file_open",
            "kernel_halt",
            "kernel_power_off",
            "kernel_read",
            "kernel_restart",
            "kernel_write",
            "kill_pgrp",
            "kill_pid",
            "kmemleak_ignore",
            "kmsg_dump_register",
            "kthread_use_mm",
            "lockdep_recursion",
            "lookup_address",
            "machine_real_restart",
            "memremap",
            "native_write_cr0",
            "nmi_panic",
            "oops_in_progress",
            "orderly_poweroff",
            "page_offset_base",
            "panic",
            "panic_notifier_list",
            "pci_read_config_dword",
            "phys_base",
            "pid_task",
            "pv_ops",
            "rcu_cpu_stall_suppress",
            "register_console",
            "register_die_notifier",
            "register_ftrace_function",
            "register_kprobe",
            "register_module_notifier",
            "register_reboot_notifier",
            "register_sysrq_key",
            "remap_pfn_range",
            "reset_hung_task_detector",
            "ring_buffer_write",
            "send_sig",
            "set_memory_rw",
            "set_memory_wb",
            "smp_ops",
            "stop_machine",
            "task_work_add",
            "text_poke",
            "touch_softlockup_watchdog",
            "trace_array_printk",
            "tracepoint_probe_register",
            "unmap_mapping_range",
            "unregister_console",
            "vfs_write",
            "vm_iomap_memory",
            "vmap",
            "vmemmap_base",
            "vprintk_emit",
        ];
        let refused = not_allowed(dangerous, Language::C, &[]);
        assert_eq!(refused, dangerous);
    }
}
