//! The modules that are wrong in one way each, and the verdict and words that each must get.

/// A test module and its verdict.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// `rust` or `c`, as `--lang` has it.
    pub(super) language: &'static str,
    /// `teaching`, or another value of `--profile`.
    pub(super) profile: &'static str,
    /// The verdict's name in the JSON report.
    pub(super) verdict: &'static str,
    /// Parts of the report; `@{NAME}` is the number of the line after the
    /// comment `marker: NAME` in the module's source.
    pub(super) words: &'static [&'static str],
}

pub(super) const TEACHING: &str = "teaching";

pub(super) const CASES: &[Case] = &[
    Case {
        name: "fails_null_dereference",
        language: "c",
        profile: TEACHING,
        verdict: "panic",
        words: &[
            "the kernel crashed: BUG: kernel NULL pointer dereference, address: 0000000000000008",
            "insmod (",
            ") was at modules/lessons/fails_null_dereference/c/fails_null_dereference.c:@{dereference}, in sum:",
            " @{dereference} |         sum += list->value;",
            // Inlined, and into what.
            "RIP: 0010:add_up+0x",
            "fails_null_dereference.c:@{dereference} in sum, inlined",
            "from modules/lessons/fails_null_dereference/c/fails_null_dereference.c:@{call of sum}",
            " @{call of sum} |     return 1 + sum(READ_ONCE(fails_null_dereference_list));",
            " init/main.c:",
        ],
    },
    Case {
        name: "fails_rust_panic",
        language: "rust",
        profile: TEACHING,
        verdict: "panic",
        words: &[
            "the kernel crashed: rust_kernel: panicked at \
             lessons/fails_rust_panic/fails_rust_panic.rs:@{index}:5: \
             index out of bounds: the len is 3 but the index is 3",
            ") was at modules/lessons/fails_rust_panic/fails_rust_panic.rs:@{index}, in element:",
            " @{index} |     of[core::hint::black_box(at)]",
            " fails_rust_panic::element+0x",
            " library/core/src/panicking.rs:",
            "<fails_rust_panic::Test as kernel::Module>::init+0x",
        ],
    },
    Case {
        name: "fails_deadlock",
        language: "rust",
        profile: TEACHING,
        verdict: "hang",
        words: &[
            "hung: INFO: task deadlocked:",
            " blocked for more than 30 seconds, after ",
            "$ rmmod fails_deadlock",
            // Both stacks.
            "deadlocked (",
            ") was at modules/lessons/fails_deadlock/fails_deadlock.rs:@{second lock of the thread}, in first_then_second:",
            " @{second lock of the thread} |     let second = shared.second.lock();",
            "rmmod (",
            ") was at modules/lessons/fails_deadlock/fails_deadlock.rs:@{second lock of rmmod}, in second_then_first:",
            " @{second lock of rmmod} |     let first = shared.first.lock();",
            "fails_deadlock::first_then_second+0x",
            "fails_deadlock::second_then_first+0x",
            " kernel/locking/mutex.c:",
        ],
    },
    Case {
        name: "fails_sleep_in_atomic",
        language: "rust",
        profile: TEACHING,
        verdict: "kernel-report",
        words: &[
            "the kernel reported: BUG: scheduling while atomic: insmod/",
            ") was at modules/lessons/fails_sleep_in_atomic/fails_sleep_in_atomic.rs:@{sleep}, in init:",
            " @{sleep} |         msleep(10);",
        ],
    },
    Case {
        name: "fails_might_sleep",
        language: "rust",
        profile: "debug",
        verdict: "kernel-report",
        words: &[
            "the kernel reported: BUG: sleeping function called from invalid context at ",
            ") was at modules/lessons/fails_might_sleep/fails_might_sleep.rs:@{allocation}, in init:",
            " @{allocation} |         let copy = shared(*guard)?;",
        ],
    },
    Case {
        name: "fails_endless_loop",
        language: "rust",
        profile: TEACHING,
        verdict: "hang",
        words: &[
            "hung: watchdog: BUG: soft lockup - CPU#",
            ") was at modules/lessons/fails_endless_loop/fails_endless_loop.rs:@{loop}, in init:",
            " @{loop} |         while black_box(*guard) > 0 {}",
        ],
    },
    Case {
        name: "fails_irqs_off",
        language: "c",
        profile: TEACHING,
        verdict: "hang",
        words: &[
            "hung: watchdog: ",
            "Watchdog detected hard LOCKUP on cpu 1",
            ") was at modules/lessons/fails_irqs_off/c/fails_irqs_off.c:@{loop}, in spin:",
        ],
    },
    Case {
        name: "fails_all_deaf",
        language: "c",
        profile: TEACHING,
        verdict: "hang",
        words: &[
            "hung: the module keeps a CPU busy and does not return, after ",
            "insmod (",
            "deaf (",
            ") was at modules/lessons/fails_all_deaf/c/fails_all_deaf.c:@{second lock}, in take:",
            " @{second lock} |     spin_lock(other);",
        ],
    },
    Case {
        name: "fails_busy_wait",
        language: "rust",
        profile: TEACHING,
        verdict: "hang",
        words: &[
            "hung: the module keeps a CPU busy and does not return, after ",
            ") was at modules/lessons/fails_busy_wait/fails_busy_wait.rs:@{wait}, in init:",
            " @{wait} |             spin_loop();",
            "(CPU ",
            " was idle)",
        ],
    },
    // With interrupts off.
    Case {
        name: "fails_busy_wait",
        language: "c",
        profile: TEACHING,
        verdict: "hang",
        words: &[
            "hung: the module keeps a CPU busy and does not return, after ",
            ") was at modules/lessons/fails_busy_wait/c/fails_busy_wait.c:@{wait}, in wait:",
        ],
    },
    // Before the `sleep` ends, which takes 16 seconds beside this thread.
    Case {
        name: "fails_busy_thread",
        language: "c",
        profile: TEACHING,
        verdict: "hang",
        words: &[
            "hung: the module keeps a CPU busy and does not return, after ",
            "    $ sleep 2\n",
            ") was at modules/lessons/fails_busy_thread/c/fails_busy_thread.c:@{loop}, in busy:",
        ],
    },
    Case {
        name: "fails_event_flood",
        language: "c",
        profile: TEACHING,
        verdict: "output-limit",
        words: &[
            "output limit exceeded: the guest caused more than 1000 events of QEMU",
            "GUEST_PANICKED",
        ],
    },
    Case {
        name: "fails_cond_resched",
        language: "c",
        profile: TEACHING,
        verdict: "hang",
        words: &[") was at modules/lessons/fails_cond_resched/c/fails_cond_resched.c:@{loop}"],
    },
    Case {
        name: "fails_double_lock",
        language: "c",
        profile: TEACHING,
        verdict: "hang",
        words: &[
            ") was at modules/lessons/fails_double_lock/c/fails_double_lock.c:@{second lock}, in again:",
            " @{second lock} |     spin_lock(&lock);",
        ],
    },
    Case {
        name: "fails_list_loop",
        language: "c",
        profile: TEACHING,
        verdict: "hang",
        words: &[") was at modules/lessons/fails_list_loop/c/fails_list_loop.c:@{walk}, in count:"],
    },
    Case {
        name: "fails_sleeps_for_ever",
        language: "rust",
        profile: TEACHING,
        verdict: "hang",
        words: &[
            "hung: the test case exceeded its limit of 120 s ",
            "insmod (",
            ") was at modules/lessons/fails_sleeps_for_ever/fails_sleeps_for_ever.rs:@{sleep}, in init:",
            " @{sleep} |             msleep(1000);",
            "task:insmod          state:D ",
            " other tasks and some lines are left out)",
        ],
    },
    Case {
        name: "fails_waits_for_ever",
        language: "c",
        profile: TEACHING,
        verdict: "hang",
        words: &[
            "hung: the test case exceeded its limit of 120 s ",
            ") was at modules/lessons/fails_waits_for_ever/c/fails_waits_for_ever.c:@{wait}, in wait_for_ever:",
            "task:insmod          state:S ",
        ],
    },
    // The teaching kernel detects none of these three.
    Case {
        name: "fails_might_sleep",
        language: "rust",
        profile: TEACHING,
        verdict: "pass",
        words: &[],
    },
    Case {
        name: "fails_leak",
        language: "rust",
        profile: TEACHING,
        verdict: "pass",
        words: &[],
    },
    Case {
        name: "fails_use_after_free",
        language: "c",
        profile: TEACHING,
        verdict: "pass",
        words: &[],
    },
    Case {
        name: "fails_leak",
        language: "rust",
        profile: "debug",
        verdict: "kernel-report",
        words: &[
            "the kernel reported: kmemleak: ",
            ") was at modules/lessons/fails_leak/fails_leak.rs:@{allocation}, in forget:",
            " @{allocation} |     core::mem::forget(shared(value)?);",
        ],
    },
    Case {
        name: "fails_use_after_free",
        language: "c",
        profile: "kasan",
        verdict: "kernel-report",
        words: &[
            "BUG: KASAN: slab-use-after-free in read_again+0x",
            "modules/lessons/fails_use_after_free/c/fails_use_after_free.c:@{read}",
        ],
    },
    Case {
        name: "fails_thread_left",
        language: "c",
        profile: TEACHING,
        verdict: "left-over",
        words: &[
            "left something behind: the kernel thread ",
            "[left behind] still runs",
        ],
    },
    Case {
        name: "fails_thread_runs_on",
        language: "c",
        profile: TEACHING,
        verdict: "panic",
        words: &[
            // A page fault, or in Linux 7.3 an int3: that kernel keeps the memory for other code.
            "the kernel crashed: ",
            "runs on (",
            ") was at modules/lessons/fails_thread_runs_on/c/fails_thread_runs_on.c:@{sleep}",
            " @{sleep} |         msleep(100);",
            "(of the unloaded module)",
        ],
    },
    Case {
        name: "fails_proc_left",
        language: "c",
        profile: TEACHING,
        verdict: "left-over",
        words: &["left something behind: /proc/left_behind is still there"],
    },
    // The cause comes before the consequence.
    Case {
        name: "fails_without_owner",
        language: "c",
        profile: TEACHING,
        verdict: "panic",
        words: &[
            "    $ rmmod fails_without_owner\nthis command removed the module fails_without_owner, and \
             the text says that it ends with status 1\n",
        ],
    },
    // In a step of its own, before the one in which the kernel stops.
    Case {
        name: "fails_later",
        language: "c",
        profile: TEACHING,
        verdict: "panic",
        words: &[
            "before that, in line 5, this command did not do what the text says:\n    $ cat /proc/fails_later\n",
            "exit status: 0 instead of 1\nand then, while this command ran:\n    $ rmmod fails_later\n",
        ],
    },
    // A dash in the name, for which the kernel has an underscore.
    Case {
        name: "hello-6",
        language: "c",
        profile: TEACHING,
        verdict: "panic",
        words: &[
            "insmod (",
            ") was at modules/lessons/hello-6/c/hello-6.c:@{dereference}, in hello_6_init:",
        ],
    },
    Case {
        name: "hello-6",
        language: "rust",
        profile: TEACHING,
        verdict: "panic",
        words: &[
            "panicked at lessons/hello-6/hello-6.rs:@{index}:",
            ") was at modules/lessons/hello-6/hello-6.rs:@{index}, in init:",
        ],
    },
    Case {
        name: "fails_guest_ends",
        language: "rust",
        profile: TEACHING,
        verdict: "guest-lost",
        words: &[
            "the guest was lost: it ended in the middle of the test case",
            "    $ reboot -f",
            "reboot: machine restart",
        ],
    },
    Case {
        name: "prints_a_storm",
        language: "rust",
        profile: TEACHING,
        verdict: "pass",
        words: &[],
    },
    Case {
        name: "prints_marks",
        language: "rust",
        profile: TEACHING,
        verdict: "pass",
        words: &[],
    },
    Case {
        name: "prints_rubbish",
        language: "rust",
        profile: TEACHING,
        verdict: "pass",
        words: &[],
    },
];
