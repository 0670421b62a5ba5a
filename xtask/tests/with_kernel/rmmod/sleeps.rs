//! Modules are removed right after `insmod`, and in the middle of each kind of sleep
//! of their threads.
//!
//! The kernel confirms the sleep: SysRq-w lists the functions in which each
//! uninterruptible task waits.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::{Lesson, all_pass};

/// A moment at which the threads sleep, and the duration of an `rmmod` then.
struct Sleep {
    /// Seconds after `insmod`.
    after: &'static str,
    /// The functions of [`WAITS`] in which each thread sleeps.
    threads: &'static [&'static [&'static str]],
    /// Shortest and longest duration of `rmmod` from then on, in hundredths of a second.
    removal: (u32, u32),
}

/// The kernel's functions in which a lesson's thread waits.
const WAITS: &str = "schedule_timeout|io_schedule|msleep|wait_for_completion";

const MSLEEP: &[&str] = &["schedule_timeout", "msleep"];
const WAIT_FOR_COMPLETION: &[&str] = &["schedule_timeout", "wait_for_completion"];
const WAIT_EVENT_TIMEOUT: &[&str] = &["schedule_timeout"];
const IO_WAIT_EVENT: &[&str] = &["io_schedule"];

/// Longest duration of `rmmod` itself, in hundredths of a second: QEMU lets the CPUs
/// take turns of 0.1 s.
const AT_ONCE: u32 = 15;

/// Returns the sleeps of a lesson. No thread is woken from `msleep`: an `rmmod` that
/// begins in a second of `msleep` ends with that second.
fn sleeps(lesson: &Lesson) -> Result<&'static [Sleep]> {
    Ok(match lesson.name {
        "completion_stop" => &[Sleep {
            after: "0.4",
            threads: &[WAIT_FOR_COMPLETION],
            // The completed thread sleeps until its stop request, which is already there.
            removal: (0, AT_ONCE),
        }],
        "io_wait_event" => &[
            Sleep {
                after: "0.4",
                threads: &[MSLEEP, IO_WAIT_EVENT],
                removal: (10, 60 + AT_ONCE),
            },
            // From the third second on the waiter sleeps for a second too, and may begin
            // another second while `rmmod` waits for the end of the waker.
            Sleep {
                after: "3.4",
                threads: &[MSLEEP, MSLEEP],
                removal: (10, 160 + AT_ONCE),
            },
        ],
        "kthread_create" | "kthread_create_on_node" => &[Sleep {
            after: "0.04",
            threads: &[MSLEEP],
            removal: (0, 10 + AT_ONCE),
        }],
        "kthread_run" | "proc_counter" => &[Sleep {
            after: "0.4",
            threads: &[MSLEEP],
            removal: (10, 60 + AT_ONCE),
        }],
        "thread_drv" => &[Sleep {
            after: "0.3",
            threads: &[WAIT_EVENT_TIMEOUT; 5],
            removal: (0, AT_ONCE),
        }],
        other => bail!("this test knows nothing of the sleeps of {other}"),
    })
}

/// Returns the text of a lesson. Its commands list the sleeping tasks again if there
/// is none: a thread that sleeps for 0.1 s at a time may have been awake just then.
fn text(lesson: &Lesson) -> Result<String> {
    let Lesson { name, threads } = lesson;
    let mut text = format!(
        "# {name}, removed early

```console
$ now() {{ read -r now _ < /proc/uptime; now=${{now%.*}}${{now#*.}}; }}
$ remove() {{
>     now; local began=$now
>     rmmod {name} || return
>     now; local took=$((now - began))
>     [ $took -ge $1 ] && [ $took -le $2 ] && echo in time || echo in $took hundredths of a second
>     ! lsmod | grep '^{name} ' && ! grep -shx '{threads}' /proc/[0-9]*/comm && echo gone
> }}
$ asleep() {{
>     local blocked
>     for _ in 1 2 3 4 5; do
>         dmesg -c > /dev/null
>         echo w > /proc/sysrq-trigger
>         blocked=$(dmesg -c | sed -nE 's/.*[]] task:(.*[^ ]) *state:(.).*/\\1 \\2/p; s/.*[]]  ({WAITS})[+].*/\\1/p')
>         [ -n \"$blocked\" ] && break
>     done
>     echo \"$blocked\"
> }}
$ insmod {name}.ko && remove 0 {}
in time
gone
",
        100 + AT_ONCE
    );
    for Sleep {
        after,
        threads,
        removal: (shortest, longest),
    } in sleeps(lesson)?
    {
        let _ = writeln!(text, "$ insmod {name}.ko && sleep {after} && asleep");
        for waits in *threads {
            // The kernel keeps 15 characters of a task's name.
            let thread: String = lesson
                .threads
                .trim_end_matches(".*")
                .chars()
                .take(15)
                .collect();
            let thread = thread.trim_end();
            let _ = writeln!(text, "{thread}[..] D\n{}", waits.join("\n"));
        }
        let _ = writeln!(text, "$ remove {shortest} {longest}\nin time\ngone");
    }
    text.push_str("```\n");
    Ok(text)
}

#[test]
fn at_once_and_in_the_middle_of_each_sleep() -> Result<()> {
    all_pass(text)
}
