//! The modules are removed at once after they have come, and in the middle of
//! each kind of sleep that their threads have.
//!
//! That the threads are in that sleep is asked of the kernel, which tells for
//! each task that cannot be interrupted on which functions it waits.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::{Lesson, all_pass};

/// A moment at which the threads sleep, and what `rmmod` makes of it.
struct Sleep {
    /// When it is: so many seconds after `insmod`.
    after: &'static str,
    /// How many sleep, each on which of the functions in [`WAITS`].
    threads: &'static [&'static [&'static str]],
    /// The shortest and the longest time that `rmmod` may take from there on,
    /// in hundredths of a second.
    removal: (u32, u32),
}

/// The functions of the kernel on which a lesson's thread waits.
const WAITS: &str = "schedule_timeout|io_schedule|msleep|wait_for_completion";

const MSLEEP: &[&str] = &["schedule_timeout", "msleep"];
const WAIT_FOR_COMPLETION: &[&str] = &["schedule_timeout", "wait_for_completion"];
const WAIT_EVENT_TIMEOUT: &[&str] = &["schedule_timeout"];
const IO_WAIT_EVENT: &[&str] = &["io_schedule"];

/// What `rmmod` itself takes at most, with QEMU's turns of 0.1 s.
const AT_ONCE: u32 = 15;

/// The sleeps of a lesson. Of a second of `msleep` much is left when `rmmod`
/// begins, and it ends with the second; no thread is woken out of one.
fn sleeps(lesson: &Lesson) -> Result<&'static [Sleep]> {
    Ok(match lesson.name {
        "completion_stop" => &[Sleep {
            after: "0.4",
            threads: &[WAIT_FOR_COMPLETION],
            // Released, the thread sleeps until it is told to stop, which is now.
            removal: (0, AT_ONCE),
        }],
        "io_wait_event" => &[
            Sleep {
                after: "0.4",
                threads: &[MSLEEP, IO_WAIT_EVENT],
                removal: (10, 60 + AT_ONCE),
            },
            // From the third second on the waiter has a second to sleep too.
            // It may begin another while `rmmod` waits for the waker's end.
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

/// The text of a lesson. It asks anew who sleeps if nobody does: a thread that
/// sleeps for 0.1 s again and again may have been awake just then.
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
            // A task's name is told up to its 15th character.
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
