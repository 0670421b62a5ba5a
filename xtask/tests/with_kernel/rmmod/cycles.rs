//! Modules that are loaded and removed many times leave nothing behind.

use anyhow::Result;

use super::{Lesson, all_pass};

/// Number of times that each module is loaded and removed. A thread that sleeps for a
/// second between two looks at its stop flag makes each `rmmod` take a second.
const CYCLES: u32 = 500;

/// Number of cycles before the first look at memory: until then, caches fill.
const WARM_UP: u32 = 50;

/// KiB by which `Slab` may rise from then to the end. It rises by up to 28 by itself
/// (and stays there for 3,000 loads and more); 128 bytes that each of 450 loads
/// leaves behind are 56 KiB.
const SLAB_BOUND: u32 = 48;

/// KiB by which `VmallocUsed` may rise. The kernel keeps the stacks of two ended
/// threads for each CPU, 16 KiB each; a page that each of 450 loads leaves behind
/// is 1.8 MiB.
const VMALLOC_BOUND: u32 = 48;

fn text(lesson: &Lesson) -> String {
    let Lesson { name, threads } = lesson;
    let more = CYCLES - WARM_UP;
    format!(
        "# {name}, many times

<!-- limit: 1200 s -->

The slowest module needs 560 seconds of the guest's time.

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
$ echo slab $before $slab vmalloc $vmalloc_before $vmalloc > /dev/kmsg
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

#[test]
#[ignore = "takes minutes; ci/nightly runs it"]
fn many_cycles_leave_nothing_behind() -> Result<()> {
    all_pass(|lesson| Ok(text(lesson)))
}
