//! Every lesson's modules, in both languages, come and go many times and leave
//! nothing behind. The text that is played is made here, for each lesson.
//!
//! These tests use the kernel that `cargo xtask build` has made, and make it
//! if it is not there.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// So many times before memory is looked at first: until then caches fill.
const WARM_UP: u32 = 50;

/// From then to the end `Slab` may rise by so many KiB. It is seen to rise by
/// up to 20 by itself; 128 bytes that 450 loads leave behind are 56 KiB. Thirty
/// loads must leave more than a KiB each to be noticed. (On 6.7 every load of
/// `proc_counter` leaves about 100 bytes on purpose, 3 KiB.)
const SLAB_BOUND: u32 = 32;

/// And `VmallocUsed` by so many. The kernel keeps stacks of threads that have
/// ended, two of 16 KiB for each CPU; a page that 30 loads leave is 120 KiB.
const VMALLOC_BOUND: u32 = 48;

/// A lesson to be loaded again and again.
struct Cycled {
    name: &'static str,
    /// What the lesson's threads are called.
    threads: &'static str,
    /// How often. A thread that sleeps a second before it looks whether it
    /// shall end makes every `rmmod` take one, and a guest has two minutes.
    cycles: u32,
}

const LESSONS: [Cycled; 7] = [
    Cycled {
        name: "completion_stop",
        threads: "my_kthread",
        cycles: 500,
    },
    Cycled {
        name: "io_wait_event",
        threads: "io_wait_event .*",
        cycles: 80,
    },
    Cycled {
        name: "kthread_create",
        threads: "kthread_create .*",
        cycles: 500,
    },
    Cycled {
        name: "kthread_create_on_node",
        threads: "kthread_create_on_node .*",
        cycles: 500,
    },
    Cycled {
        name: "kthread_run",
        threads: "kthread_run .*",
        cycles: 80,
    },
    Cycled {
        name: "proc_counter",
        threads: "counter",
        cycles: 80,
    },
    Cycled {
        name: "thread_drv",
        threads: "example thread",
        cycles: 500,
    },
];

impl Cycled {
    fn text(&self) -> String {
        let Self {
            name,
            threads,
            cycles,
        } = self;
        let more = cycles - WARM_UP;
        format!(
            "# {name}, many times

```console
$ insmod {name}.ko && rmmod {name}
$ insmod {name}.ko
$ grep -shx '{threads}' /proc/[0-9]*/comm > threads; [ -s threads ] && echo there
there
$ insmod {name}.ko
? 17
insmod: can't insert '{name}.ko': File exists
$ lsmod | grep -c '^{name} '
1
$ rmmod {name}
$ cycle() {{
>     i=0
>     while [ $i -lt $1 ]; do
>         insmod {name}.ko && rmmod {name} || return
>         i=$((i + 1))
>     done
>     for _ in 1 2 3; do sleep 1; echo 3 > /proc/sys/vm/drop_caches; done
>     sleep 1
>     while read -r what kib _; do
>         case $what in Slab:) slab=$kib;; VmallocUsed:) vmalloc=$kib;; esac
>     done < /proc/meminfo
> }}
$ cycle {WARM_UP}; before=$slab; vmalloc_before=$vmalloc
$ cycle {more}; echo $i more
{more} more
$ dmesg -c > /dev/null
$ [ $((slab - before)) -le {SLAB_BOUND} ] && echo the same || echo $((slab - before)) KiB more
the same
$ [ $((vmalloc - vmalloc_before)) -le {VMALLOC_BOUND} ] && echo the same || echo $((vmalloc - vmalloc_before)) KiB more
the same
$ lsmod | grep '^{name} '
? 1
$ grep -shx '{threads}' /proc/[0-9]*/comm
? 1
$ ls /sys/module/{name} /proc/counter 2> /dev/null
? 1
```
"
        )
    }
}

#[test]
fn many_times_and_nothing_is_left() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let clone = folder.path();
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for part in ["kernel-config", "initramfs", "modules"] {
        let copied = Command::new("cp")
            .arg("-r")
            .args([&original.join(part), clone])
            .status()?;
        ensure!(copied.success(), "cp failed on {part}");
    }
    let lessons = clone.join("modules/lessons");
    ensure!(
        std::fs::read_dir(&lessons)?.count() == LESSONS.len(),
        "a lesson is missing in the test's list"
    );
    for lesson in &LESSONS {
        let readme = lessons.join(lesson.name).join("README.md");
        std::fs::write(&readme, lesson.text()).with_context(|| format!("{}", readme.display()))?;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["test", "--lang", "both", "--no-install"])
        .env("KMODLAB_WORKSPACE", clone)
        .stdin(Stdio::null())
        .output()?;
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let all = format!("\n{} passed, 0 failed, 0 skipped\n", 2 * LESSONS.len());
    ensure!(
        output.status.success() && stdout.contains(&all),
        "{}\n{stdout}{stderr}",
        output.status
    );
    Ok(())
}
