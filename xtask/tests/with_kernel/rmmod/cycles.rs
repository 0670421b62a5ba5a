//! The modules come and go many times and leave nothing behind.

use anyhow::Result;

use super::{Lesson, all_pass};

/// How often each module comes and goes. A thread that sleeps a second before
/// it looks whether it shall end makes every `rmmod` take one.
const CYCLES: u32 = 500;

/// So many times before memory is looked at first: until then caches fill.
const WARM_UP: u32 = 50;

/// From then to the end `Slab` may rise by so many KiB. It is seen to rise by
/// up to 28 by itself (and then to stay there, for 3,000 loads and more); 128
/// bytes that 450 loads leave behind are 56 KiB.
const SLAB_BOUND: u32 = 48;

/// And `VmallocUsed` by so many. The kernel keeps stacks of threads that have
/// ended, two of 16 KiB for each CPU; a page that 450 loads leave is 1.8 MiB.
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
fn many_times_and_nothing_is_left() -> Result<()> {
    all_pass(|lesson| Ok(text(lesson)))
}
