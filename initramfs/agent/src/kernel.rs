//! Settings of the guest's kernel, and its own detectors.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use kmodlab_protocol::{CodeSection, RunOptions, SNAPSHOT_PORT, SNAPSHOT_REQUEST, Setting};

use crate::guest::Guest;

/// Settings below `/proc/sys/kernel` with which a kernel that has a fault stops at once, with
/// a report of the fault in its log. (Seconds; a task that waits uninterruptibly for more than
/// 30 counts as deadlocked. The host sends an NMI to a guest whose CPUs all have their
/// interrupts disabled.)
const STRICT: [(&str, &str); 11] = [
    ("nmi_watchdog", "1"),
    ("panic", "-1"),
    ("panic_on_oops", "1"),
    ("softlockup_panic", "1"),
    ("hardlockup_panic", "1"),
    ("hung_task_panic", "1"),
    ("hung_task_timeout_secs", "30"),
    ("panic_on_unrecovered_nmi", "1"),
    ("softlockup_all_cpu_backtrace", "1"),
    ("hardlockup_all_cpu_backtrace", "1"),
    ("hung_task_all_cpu_backtrace", "1"),
];

/// Makes the kernel stop at a fault. A kernel may lack some of the settings.
pub fn be_strict(guest: &Guest) {
    for (name, value) in STRICT {
        let _ = guest.set(&format!("/proc/sys/kernel/{name}"), value);
    }
}

/// Makes the kernel write all its messages to the serial line, where the host reads them, whatever level a command
/// sets (`dmesg -n 1`).
pub fn log_everything(guest: &Guest) {
    let _ = guest.set("/proc/sys/kernel/printk", "8");
    let _ = guest.set("/sys/module/printk/parameters/ignore_loglevel", "Y");
}

/// Clears the kernel's log. Only a system call does that, and dmesg makes it.
pub fn clear_log() -> Result<()> {
    let output = Command::new("/bin/dmesg").arg("-c").output();
    output.context("cannot run dmesg").map(drop)
}

const TRACING: &str = "/sys/kernel/tracing";

/// The events that the timeline of a run needs.
const EVENTS: [&str; 11] = [
    "sched:sched_switch",
    "sched:sched_waking",
    "sched:sched_wakeup_new",
    "sched:sched_process_fork",
    "sched:sched_process_exec",
    "sched:sched_process_exit",
    "sched:sched_migrate_task",
    "sched:sched_kthread_stop",
    "module:module_load",
    "module:module_free",
    "printk:console",
];

/// Prepares the kernel's trace, and does not start it: the kernel changes its code in some
/// thirty places for that, which takes long. The clock `global` is that of the kernel's log,
/// and orders the events of two CPUs. Half a MiB for each CPU holds some 7,000 events; a
/// lesson of ten seconds has about 2,000.
pub fn prepare_trace(guest: &Guest) {
    for (file, value) in [
        ("tracing_on", "0".to_owned()),
        ("trace_clock", "global".to_owned()),
        ("buffer_size_kb", "512".to_owned()),
        ("set_event", EVENTS.join(" ")),
    ] {
        // A kernel without this folder cannot be traced.
        let _ = guest.set(&format!("{TRACING}/{file}"), &value);
    }
}

/// Starts the trace. Where the kernel stops, it writes the trace to its log if the trace is to
/// be reported: 0.8 ms of its time for each line.
///
/// The guest executes the same instructions whether the trace is reported: to parse a `0`
/// takes another number of instructions than a `1`, so both are written, and the last counts.
pub fn start_trace(guest: &Guest, options: &RunOptions) {
    let values = match options.reports_trace {
        true => ["0", "1"],
        false => ["1", "0"],
    };
    for value in values {
        let _ = guest.set("/proc/sys/kernel/ftrace_dump_on_oops", value);
    }
    let _ = guest.set(&format!("{TRACING}/tracing_on"), "1");
}

/// Stops the trace.
pub fn stop_trace(guest: &Guest) {
    let _ = guest.set(&format!("{TRACING}/tracing_on"), "0");
}

/// Reads the trace.
pub fn trace(guest: &Guest) -> Vec<u8> {
    guest.read(&format!("{TRACING}/trace")).unwrap_or_default()
}

/// Writes a line into the trace.
pub fn mark_trace(guest: &Guest, line: &str) {
    let _ = guest.set(&format!("{TRACING}/trace_marker"), &format!("{line}\n"));
}

/// Sets a parameter of a module.
pub fn apply(guest: &Guest, setting: &Setting) -> Result<()> {
    let Setting {
        module,
        parameter,
        value,
    } = setting;
    guest.set(
        &format!("/sys/module/{module}/parameters/{parameter}"),
        value,
    )
}

const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";

/// The kernel reports an object as lost if it is older than five seconds and nothing pointed
/// to it in two scans.
const LEAK_AGE: Duration = Duration::from_secs(6);

/// Reports whether the kernel looks for lost memory.
pub fn finds_leaks(guest: &Guest) -> bool {
    guest.has(KMEMLEAK)
}

/// Lets the kernel look for lost memory, and reads its report.
pub fn leaks(guest: &Guest) -> Result<Vec<u8>> {
    std::thread::sleep(LEAK_AGE);
    for _ in 0..2 {
        guest.set(KMEMLEAK, "scan")?;
    }
    guest.read(KMEMLEAK)
}

/// Returns the kernel's count of timer ticks: the report of leaks has the time of each
/// allocation in these.
pub fn jiffies(guest: &Guest) -> Option<u64> {
    let timers = guest.read("/proc/timer_list").ok()?;
    let timers = String::from_utf8_lossy(&timers);
    let line = timers
        .lines()
        .find_map(|line| line.strip_prefix("jiffies: "));
    line?.trim().parse().ok()
}

/// Reads where the code of each loaded module is. The report of leaks comes when the modules
/// are gone, and their functions have no names any more.
pub fn code_sections(guest: &Guest) -> Vec<CodeSection> {
    let modules = guest.read("/proc/modules").unwrap_or_default();
    String::from_utf8_lossy(&modules)
        .lines()
        .filter_map(|line| {
            // NAME SIZE REFERENCES USERS STATE ADDRESS (see m_show in kernel/module/procfs.c)
            let words: Vec<&str> = line.split(' ').collect();
            Some(CodeSection {
                module: (*words.first()?).to_owned(),
                section: ".text".to_owned(),
                size: words.get(1)?.parse().ok()?,
                address: u64::from_str_radix(words.get(5)?.strip_prefix("0x")?, 16).ok()?,
            })
        })
        .collect()
}

/// Asks QEMU to stop and save the guest.
///
/// QEMU stops the CPU that asks at once, and the other one some time later, which must have
/// nothing to do then: the agent asks right after a second in which all tasks slept.
pub fn request_snapshot(guest: &Guest) -> Result<()> {
    let ports = File::options().write(true).open(guest.path("/dev/port"));
    let ports = ports.context("cannot open /dev/port")?;
    std::thread::sleep(Duration::from_secs(1));
    ports
        .write_all_at(&[SNAPSHOT_REQUEST], SNAPSHOT_PORT)
        .context("cannot ask for a snapshot")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(files: &[(&str, &str)]) -> Result<(tempfile::TempDir, Guest)> {
        let folder = tempfile::tempdir()?;
        let guest = Guest::new(folder.path());
        for (path, contents) in files {
            let path = guest.path(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, contents)?;
        }
        Ok((folder, guest))
    }

    #[test]
    fn code_sections_are_read_from_the_list_of_modules() -> Result<()> {
        let (_folder, guest) = guest(&[(
            "/proc/modules",
            "x 16384 0 - Live 0xffffffffc0000000 (O)\nhalf 1 0\n",
        )])?;
        let section = CodeSection {
            module: "x".to_owned(),
            section: ".text".to_owned(),
            address: 0xffff_ffff_c000_0000,
            size: 16384,
        };
        assert_eq!(code_sections(&guest), [section]);
        Ok(())
    }

    #[test]
    fn ticks_are_read_from_the_list_of_timers() -> Result<()> {
        let (_folder, guest) = guest(&[(
            "/proc/timer_list",
            "Timer List Version: v0.10\ncpu: 0\n  .idle_jiffies: 3\njiffies: 4294893000\n",
        )])?;
        assert_eq!(jiffies(&guest), Some(4_294_893_000));
        Ok(())
    }

    #[test]
    fn both_kinds_of_traced_runs_write_the_same_number_of_bytes() -> Result<()> {
        for reports_trace in [true, false] {
            let file = "/proc/sys/kernel/ftrace_dump_on_oops";
            let (_folder, guest) = guest(&[(file, "")])?;
            let options = RunOptions {
                setting: None,
                reports_trace,
            };
            start_trace(&guest, &options);
            assert_eq!(guest.read(file)?, if reports_trace { b"1" } else { b"0" });
        }
        Ok(())
    }
}
