//! `rmmod` of every lesson's modules, in both languages, at any time. The tests write
//! a text of their own for each lesson.

mod cycles;
mod sleeps;

use anyhow::{Result, ensure};

use crate::lab::TestClone;

/// A lesson, and the names of its threads as an expression for `grep -x`.
struct Lesson {
    name: &'static str,
    threads: &'static str,
}

/// Lessons whose modules have no thread.
const WITHOUT_THREADS: [&str; 1] = ["hello"];

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

/// Runs every lesson with the text that `text` makes for it, and checks that all
/// pass.
fn all_pass(text: impl Fn(&Lesson) -> Result<String>) -> Result<()> {
    let clone = TestClone::whole()?;
    ensure!(
        std::fs::read_dir(clone.path("modules/lessons"))?.count()
            == LESSONS.len() + WITHOUT_THREADS.len(),
        "a lesson is missing in the test's list"
    );
    for lesson in &LESSONS {
        clone.write_lesson(lesson.name, "README.md", &text(lesson)?)?;
    }
    let all = format!("\n{} passed, 0 failed, 0 skipped\n", 2 * LESSONS.len());
    let names = LESSONS.map(|lesson| lesson.name);
    let args = [&["test", "--lang", "both"], &names[..]].concat();
    clone.run(&args)?.expect(0, &[&all])
}
