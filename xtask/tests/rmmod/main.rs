//! Every lesson's modules, in both languages, leave whenever they are told to.
//! The texts that are played are made here, one for each lesson.
//!
//! `common` says which kernel is used, and how another is.

#[path = "../common/copy.rs"]
mod copy;
mod cycles;
#[path = "../common/play.rs"]
mod play;
mod sleeps;

use anyhow::{Context as _, Result, ensure};

/// A lesson, and what its threads are called: an expression for `grep -x`.
struct Lesson {
    name: &'static str,
    threads: &'static str,
}

const LESSONS: [Lesson; 7] = [
    Lesson {
        name: "completion_stop",
        threads: "my_kthread",
    },
    Lesson {
        name: "io_wait_event",
        threads: "io_wait_event .*",
    },
    Lesson {
        name: "kthread_create",
        threads: "kthread_create .*",
    },
    Lesson {
        name: "kthread_create_on_node",
        threads: "kthread_create_on_node .*",
    },
    Lesson {
        name: "kthread_run",
        threads: "kthread_run .*",
    },
    Lesson {
        name: "proc_counter",
        threads: "counter",
    },
    Lesson {
        name: "thread_drv",
        threads: "example thread",
    },
];

/// Plays every lesson's modules by the `text` that is made for it instead of
/// its own.
fn all_pass(text: impl Fn(&Lesson) -> Result<String>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let clone = folder.path();
    let parts = ["kernel-config", "initramfs", "modules"].map(|part| (part, "."));
    copy::copy(&parts, clone)?;
    let lessons = clone.join("modules/lessons");
    ensure!(
        std::fs::read_dir(&lessons)?.count() == LESSONS.len(),
        "a lesson is missing in the test's list"
    );
    for lesson in &LESSONS {
        let readme = lessons.join(lesson.name).join("README.md");
        std::fs::write(&readme, text(lesson)?).with_context(|| format!("{}", readme.display()))?;
    }
    let (status, printed) = play::play(clone, &["--lang", "both"])?;
    let all = format!("\n{} passed, 0 failed, 0 skipped\n", 2 * LESSONS.len());
    ensure!(
        status == 0 && printed.contains(&all),
        "status {status}\n{printed}"
    );
    Ok(())
}
