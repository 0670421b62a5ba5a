//! `cargo xtask test --timeline` with real guests.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use xtask::report::json::SuiteDocument;

use crate::lab::{TestClone, TestProject, document, original, run, xtask};

/// Runs `xtask test` with `args` and `--timeline FOLDER --json FILE`; returns its
/// output and the report.
fn run_with_timeline(
    clone: &Path,
    folder: &Path,
    status: i32,
    args: &[&str],
) -> Result<(String, SuiteDocument)> {
    let json = folder.join("report.json");
    let [timelines, report] = [folder, &json].map(|path| path.to_string_lossy().into_owned());
    let own = ["--timeline", &timelines, "--json", &report];
    let output = run(&mut xtask(clone, &[&["test"], args, &own].concat()))?;
    output.expect(status, &[])?;
    Ok((output.printed(), document(&std::fs::read_to_string(json)?)?))
}

/// Returns the kernel's log of a run of the suite, by its index.
fn log(suite: &SuiteDocument, index: usize) -> Result<String> {
    let log = suite.runs[index].guest_log.as_ref().context("no log")?;
    let printed = String::from_utf8_lossy(&std::fs::read(log)?).into_owned();
    let (kernel, _) = printed
        .split_once("== the commands")
        .context("no commands")?;
    Ok(kernel.to_owned())
}

/// Returns the events of `FOLDER/ID.perfetto.json`.
fn events(folder: &Path, id: &str) -> Result<Vec<Value>> {
    let path = folder.join(format!("{id}.perfetto.json"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let events = file["traceEvents"].as_array().context("no events")?;
    Ok(events.clone())
}

/// Returns the events of one phase.
fn of<'a>(events: &'a [Value], phase: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["ph"] == phase).collect()
}

fn number(event: &Value, key: &str) -> Result<u64> {
    event[key]
        .as_u64()
        .with_context(|| format!("no {key} in {event}"))
}

/// Returns the task that printed the message with `text`, and the time in
/// microseconds.
fn message(events: &[Value], text: &str) -> Result<(u64, u64)> {
    let printed = |event: &&&Value| {
        event["name"]
            .as_str()
            .is_some_and(|name| name.contains(text))
    };
    let messages = of(events, "i");
    let event = messages
        .iter()
        .find(printed)
        .with_context(|| format!("no message has {text}"))?;
    Ok((number(event, "tid")?, number(event, "ts")?))
}

#[test]
fn the_timeline_shows_how_one_thread_wakes_another() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (printed, suite) = run_with_timeline(original(), folder.path(), 0, &["io_wait_event"])?;
    for (index, language) in ["rust", "c"].into_iter().enumerate() {
        let id = format!("io_wait_event-{language}");
        let events = events(folder.path(), &id)?;
        let (waker, third) = message(&events, "wake thread execution i value =  3")?;
        let (waiter, woke) = message(&events, "wait thread execution i value = 4")?;
        ensure!(
            waker != waiter && third < woke,
            "{language}: {waker} {waiter}"
        );
        for task in [waker, waiter] {
            let name = of(&events, "M")
                .into_iter()
                .find(|event| event["tid"] == task && event["name"] == "thread_name")
                .with_context(|| format!("{task} has no name"))?;
            // The first 15 characters of both names.
            ensure!(name["args"]["name"] == "io_wait_event w", "{name}");
        }
        // The waker wakes the waiter between the two messages.
        let wake = of(&events, "s").into_iter().find(|event| {
            let at = event["ts"].as_u64().unwrap_or(0);
            event["tid"] == waker && (third..woke).contains(&at)
        });
        let wake = wake.with_context(|| format!("{language}: {waker} wakes nobody"))?;
        let ran = of(&events, "f")
            .into_iter()
            .find(|event| event["id"] == wake["id"]);
        let ran = ran.context("the one that was woken never ran")?;
        ensure!(ran["tid"] == waiter, "{language}: {wake} woke {ran}");
        // The waiter runs from that moment until after its message.
        let run = of(&events, "X").into_iter().find(|event| {
            event["tid"] == waiter
                && event["ts"] == ran["ts"]
                && event["cat"] == "sched"
                && event["name"]
                    .as_str()
                    .is_some_and(|name| name.starts_with("runs on CPU "))
        });
        let run = run.context("the waiter does not run")?;
        let end = number(run, "ts")? + number(run, "dur")?;
        ensure!(
            number(run, "ts")? < woke && woke < end,
            "{language}: {run} {woke}"
        );
        // The text shows the same.
        let text = std::fs::read_to_string(folder.path().join(format!("{id}.txt")))?;
        let lines: Vec<&str> = text.lines().collect();
        let at = |what: &str| {
            let found = lines.iter().position(|line| line.contains(what));
            found.with_context(|| format!("no {what}\n{text}"))
        };
        let between = &lines[at("i value =  3")?..at("i value = 4")?];
        ensure!(
            between
                .iter()
                .any(|line| line.contains("█▶▒") && line.ends_with("B wakes C")),
            "{text}"
        );
        ensure!(
            between.iter().any(|line| line.ends_with("C runs")),
            "{text}"
        );
        // The clock is the log's: the kernel traces a message right after it logs it.
        let log = log(&suite, index)?;
        let line = log.lines().find(|line| line.contains("i value =  3"));
        let stamp = line
            .and_then(|line| line.split(['[', ']']).nth(1))
            .context("no stamp")?;
        let logged: f64 = stamp.trim().parse()?;
        #[expect(clippy::cast_precision_loss, reason = "a guest lives for seconds")]
        let later = third as f64 / 1e6 - logged;
        ensure!((0.0..0.001).contains(&later), "{language}: {later} s");
        ensure!(
            folder.path().join(format!("{id}.html")).is_file(),
            "{printed}"
        );
    }
    // With two test cases, xtask prints no timeline.
    ensure!(!printed.contains("wakes"), "{printed}");
    Ok(())
}

#[test]
fn the_timeline_of_a_single_run_is_printed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let args = ["kthread_run", "--lang", "c"];
    let (printed, _) = run_with_timeline(original(), folder.path(), 0, &args)?;
    let report = printed.find("1 passed, 0 failed").context("no report")?;
    let text = printed
        .find("asks B to stop, and waits for it")
        .context("no text")?;
    ensure!(report < text, "{printed}");
    Ok(())
}

#[test]
fn a_timeline_does_not_change_a_seeded_run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let json = folder
        .path()
        .join("alone.json")
        .to_string_lossy()
        .into_owned();
    let args = ["kthread_run", "--lang", "rust", "--seed", "5"];
    let alone = [&["test"], &args[..], &["--json", &json]].concat();
    run(&mut xtask(original(), &alone))?.expect(0, &[])?;
    let suite: SuiteDocument = serde_json::from_str(&std::fs::read_to_string(json)?)?;
    // Up to the lesson's end, after which the guest writes its trace.
    let lesson = |suite: &SuiteDocument| -> Result<String> {
        let log = log(suite, 0)?;
        let (lesson, _) = log.split_once(" sysrq: Resetting").context("no end")?;
        let (lesson, _) = lesson.rsplit_once('\n').context("no line")?;
        Ok(lesson.to_owned())
    };
    let without = lesson(&suite)?;
    let (_, suite) = run_with_timeline(original(), folder.path(), 0, &args)?;
    ensure!(lesson(&suite)? == without, "the logs differ");
    ensure!(folder.path().join("kthread_run-rust.seed5.html").is_file());
    Ok(())
}

#[test]
fn options_that_contradict_are_refused_before_a_build() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("file");
    std::fs::write(&file, "")?;
    let [folder, file] = [folder.path(), &file].map(|path| path.to_string_lossy().into_owned());
    for (args, words) in [
        (
            ["--timeline", &folder, "--time", "real"],
            "leave out --time real",
        ),
        (["--timeline", &file, "--lang", "c"], "it is not a folder"),
        (
            ["--timeline", "/proc/timelines", "--lang", "c"],
            "cannot be used",
        ),
        (["--timeline", &folder, "--repeat", "x"], "--repeat"),
    ] {
        let output = run(&mut xtask(original(), &[&["test"], &args[..]].concat()))?;
        output.expect(2, &[words])?;
        let printed = output.printed();
        ensure!(
            !printed.contains("kernel"),
            "something was built\n{printed}"
        );
    }
    Ok(())
}

/// Returns the verdict without times, and the lines of the kernel's report.
fn report(suite: &SuiteDocument) -> (String, Vec<String>) {
    let run = &suite.runs[0];
    let lines = run.kernel_log.iter().map(|line| {
        let message = line
            .split_once("] ")
            .map_or(line.as_str(), |(_, message)| message);
        // Process numbers, addresses and CPUs differ between runs.
        message
            .chars()
            .filter(|letter| !letter.is_ascii_hexdigit())
            .collect()
    });
    (run.verdict.clone(), lines.collect())
}

#[test]
fn a_hung_kernel_has_a_timeline_and_the_same_report() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let clone = TestClone::with_tests(&["fails_deadlock"])?;
    let json = folder
        .path()
        .join("alone.json")
        .to_string_lossy()
        .into_owned();
    let args = ["--lang", "rust"];
    clone
        .run(&["test", "--lang", "rust", "--json", &json])?
        .expect(1, &[])?;
    let without: SuiteDocument = serde_json::from_str(&std::fs::read_to_string(json)?)?;
    let (printed, with) = run_with_timeline(&clone.path(""), folder.path(), 1, &args)?;
    ensure!(report(&with) == report(&without), "{printed}");
    ensure!(!log(&with, 0)?.contains("ftrace"), "the log has the trace");
    ensure!(
        printed.contains("B loses the CPU") || printed.contains("B sleeps"),
        "{printed}"
    );
    ensure!(
        printed.contains("B still sleeps; C still sleeps"),
        "{printed}"
    );
    let artifacts = with.runs[0].artifacts.as_ref().context("no artifacts")?;
    let kept = std::fs::read_to_string(Path::new(artifacts).join("timeline.txt"))?;
    ensure!(kept.contains("INFO: task deadlocked:"), "{kept}");
    Ok(())
}

#[test]
fn a_lesson_over_its_limit_has_a_timeline() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let clone = TestClone::with_tests(&["fails_thread_left"])?;
    clone.write_lesson(
        "fails_thread_left",
        "README.md",
        "# Test\n\n<!-- limit: 5 s -->\n\n```console\n$ insmod fails_thread_left.ko\n\
         $ sleep 1000\n```\n",
    )?;
    let (printed, suite) = run_with_timeline(&clone.path(""), folder.path(), 1, &["--lang", "c"])?;
    ensure!(suite.runs[0].verdict == "hang", "{printed}");
    ensure!(
        printed.contains("A loads the module fails_thread_left"),
        "{printed}"
    );
    ensure!(printed.contains("the trace ends; "), "{printed}");
    ensure!(!printed.contains("trace is missing"), "{printed}");
    Ok(())
}

/// A program that waits for a work item of the module has a column, and so has the worker.
#[test]
fn the_timeline_shows_a_projects_own_program() -> Result<()> {
    let source = "#include <linux/fs.h>\n#include <linux/miscdevice.h>\n#include <linux/module.h>\n\
                  #include <linux/wait.h>\n#include <linux/workqueue.h>\n\
                  static DECLARE_WAIT_QUEUE_HEAD(queue);\nstatic bool ready;\n\
                  static void work_function(struct work_struct *unused)\n{\n\
                  \tWRITE_ONCE(ready, true);\n\twake_up(&queue);\n}\n\
                  static DECLARE_DELAYED_WORK(work, work_function);\n\
                  static ssize_t own_read(struct file *file, char __user *to, size_t size, loff_t *at)\n{\n\
                  \tschedule_delayed_work(&work, HZ / 10);\n\
                  \treturn wait_event_interruptible(queue, READ_ONCE(ready));\n}\n\
                  static const struct file_operations fops = { .owner = THIS_MODULE, .read = own_read };\n\
                  static struct miscdevice device = {\n\
                  \t.minor = MISC_DYNAMIC_MINOR, .name = \"own\", .fops = &fops,\n};\n\
                  static int __init own_init(void)\n{\n\treturn misc_register(&device);\n}\n\
                  module_init(own_init);\n\
                  static void __exit own_exit(void)\n{\n\
                  \tmisc_deregister(&device);\n\tcancel_delayed_work_sync(&work);\n}\nmodule_exit(own_exit);\n\
                  MODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"A test\");\n";
    let program = "#include <fcntl.h>\n#include <unistd.h>\nint main(void)\n{\n\tchar byte;\n\
                   \treturn read(open(\"/dev/own\", O_RDONLY), &byte, 1);\n}\n";
    let manifest = "[module.own]\nsources = [\"own.c\"]\n[guest]\nfiles = { \"/root/reader\" = \"reader.c\" }\n";
    let files = [
        ("own.c", source),
        ("reader.c", program),
        ("kmodlab.toml", manifest),
    ];
    let project = TestProject::new(&files)?;
    let run = "insmod own.ko && ./reader && rmmod own";
    let output = project.xtask(&["test", "./own", "--run", run, "--timeline", "out"])?;
    output.expect(0, &[])?;
    // The letter of a column stands before its name in the legend.
    let letter = |name: &str| -> Result<String> {
        let columns = output.stdout.lines().flat_map(|line| line.split("   "));
        let mut columns = columns.filter_map(|column| column.split_once(' '));
        let found = columns.find(|(_, column)| column.starts_with(name));
        Ok(found.with_context(|| output.printed())?.0.to_owned())
    };
    let (reader, worker) = (letter("reader")?, letter("kworker/")?);
    for part in [
        format!("{reader} sleeps"),
        format!("{worker} wakes {reader}"),
    ] {
        ensure!(output.stdout.contains(&part), "{part}: {}", output.stdout);
    }
    Ok(())
}
