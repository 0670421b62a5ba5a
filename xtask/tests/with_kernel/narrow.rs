//! Narrowed schedules: the delay that decides, its text, and the passing twin.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use xtask::report::json::{NarrowedEntry, RunEntry, SuiteDocument};

use crate::lab::{TestProject, document, original, run, xtask};

const RACE: [&str; 3] = ["unlocked_counter", "--lang", "c"];

/// Returns what `xtask test` printed to standard error, and the JSON report.
fn report(args: &[&str]) -> Result<(String, SuiteDocument)> {
    let args = [&["test", "--json", "-"], args].concat();
    let output = run(&mut xtask(original(), &args))?;
    let document = document(&output.stdout).with_context(|| output.stderr.clone())?;
    Ok((output.stderr, document))
}

fn narrowed(suite: &SuiteDocument) -> Result<&NarrowedEntry> {
    let race = suite.races.first().context("no schedule failed")?;
    race.narrowed.as_ref().context("not narrowed")
}

fn only(suite: &SuiteDocument) -> Result<&RunEntry> {
    ensure!(suite.runs.len() == 1, "{:?}", suite.summary);
    suite.runs.first().context("no run")
}

/// Returns a lock that one test of this file has at a time: all run the same race, and the output of a
/// guest is in a file that a later run of the race overwrites.
fn alone() -> MutexGuard<'static, ()> {
    static OUTPUT: Mutex<()> = Mutex::new(());
    OUTPUT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs an exact schedule. Returns the run and the guest's output.
fn exact(text: &str) -> Result<(RunEntry, Vec<u8>)> {
    let (_, suite) = report(&[&RACE[..], &["--schedule", text]].concat())?;
    let run = only(&suite)?;
    ensure!(run.schedule.as_deref() == Some(text), "{:?}", run.schedule);
    let log = run.guest_log.clone().context("no log is kept")?;
    Ok((run.clone(), std::fs::read(log)?))
}

#[test]
fn a_race_is_narrowed_to_one_delay_in_its_window_and_the_twin_without_it_passes() -> Result<()> {
    let _alone = alone();
    let folder = tempfile::tempdir()?;
    let timelines = folder.path().to_string_lossy();
    let args = [
        "--schedules",
        "20",
        "--seed",
        "8",
        "--timeline",
        &*timelines,
    ];
    let (printed, suite) = report(&[&RACE[..], &args].concat())?;
    let narrowed = narrowed(&suite)?;
    let first = suite.races[0].first_failing_seed;
    assert_eq!(narrowed.seed, first);
    assert!(narrowed.complete && narrowed.runs <= 30, "{narrowed:?}");
    assert!(printed.contains("narrow: 6 of 30"), "{printed}");
    assert!(printed.contains(&narrowed.sentence), "{printed}");
    let begin = "unlocked_counter (c) fails if `";
    assert!(
        narrowed.sentence.starts_with(begin),
        "{}",
        narrowed.sentence
    );

    // One of the tasks is delayed between its read of the ticket and its write.
    let [delay] = &narrowed.delays[..] else {
        panic!("{narrowed:?}");
    };
    assert!(["insmod", "drawer"].contains(&&*delay.task));
    let source = delay.source_location.as_ref().context("no line")?;
    assert_eq!(source.function, "draw");
    let line = std::fs::read_to_string(original().join(&source.file))?;
    let lines: Vec<&str> = line.lines().collect();
    let place = |text: &str| lines.iter().position(|line| line.contains(text));
    let (read, write) = (place("READ_ONCE(next)"), place("WRITE_ONCE(next"));
    let window = read.context("read")? + 2..=write.context("write")? + 1;
    let line = usize::try_from(source.line)?;
    assert!(window.contains(&line), "{line} is not in {window:?}");
    assert_eq!(narrowed.deciding_delay, Some(0));

    let failed = suite.runs.iter().find(|run| run.seed == Some(first));
    let failed = failed.context("no run of the seed")?;
    let schedule = narrowed.schedule.as_deref().context("no schedule")?;
    let (again, log) = exact(schedule)?;
    assert_eq!(again.verdict, failed.verdict);
    assert_eq!(again.failed_step, failed.failed_step);
    assert_eq!(again.seed, None);
    assert_eq!(again.injected_delays.len(), 1);
    assert_eq!(exact(schedule)?.1, log);
    let twin = narrowed.passing_twin.as_deref().context("no twin")?;
    assert_eq!(exact(twin)?.0.verdict, "pass");

    // Both runs are in one picture and in one file for Perfetto.
    for ending in ["txt", "html", "perfetto.json"] {
        let name = format!("unlocked_counter-c.seed{first}.narrowed.{ending}");
        let both = std::fs::read_to_string(folder.path().join(&name))?;
        for task in ["insmod", "drawer", "twin: insmod", "twin: drawer"] {
            assert!(both.contains(task), "{name} lacks {task}");
        }
    }
    Ok(())
}

#[test]
fn a_seed_is_narrowed_on_request_only() -> Result<()> {
    let _alone = alone();
    let args = ["--schedules", "6", "--seed", "6", "--no-narrow"];
    let (_, suite) = report(&[&RACE[..], &args].concat())?;
    let race = suite.races.first().context("no schedule failed")?;
    assert_eq!(race.narrowed, None);
    let seed = race.first_failing_seed.to_string();
    let (_, suite) = report(&[&RACE[..], &["--seed", &seed]].concat())?;
    assert_eq!(suite.races.first().context("it failed")?.narrowed, None);
    let (_, suite) = report(&[&RACE[..], &["--seed", &seed, "--narrow"]].concat())?;
    assert!(narrowed(&suite)?.schedule.is_some());
    Ok(())
}

fn refused(args: &[&str], what: &[&str]) -> Result<()> {
    run(&mut xtask(original(), &[&["test"], args].concat()))?.expect(2, what)
}

#[test]
fn schedules_that_cannot_be_run_are_refused_with_the_reason() -> Result<()> {
    let _alone = alone();
    let schedule =
        |text: &str, what: &[&str]| refused(&[&RACE[..], &["--schedule", text]].concat(), what);
    schedule(
        "insmod",
        &["--schedule", "`insmod`: write a delay as TASK@"],
    )?;
    schedule("start=9ms", &["`start=9ms`: write a time below 4ms"])?;
    schedule("insmod@draw+0x13#1=2001ms", &["at most 2000ms"])?;
    schedule(
        "insmod@draw+0x12345#1=1ms",
        &["draw+0x12345 is not a probe point", "of draw are at 0x"],
    )?;
    schedule(
        "insmod@nowhere+0#1=1ms",
        &[
            "nowhere+0x0 is not a probe point",
            "functions with probe points are cleanup_module, draw, drawer, init_module",
        ],
    )?;
    let delay = ["--schedule", "start=0ms"];
    refused(
        &[&["unlocked_counter"], &delay[..]].concat(),
        &["2 test cases"],
    )?;
    refused(&[&RACE[..], &delay, &["--seed", "1"]].concat(), &["--seed"])?;
    refused(
        &[&RACE[..], &delay, &["--time", "real"]].concat(),
        &["--time real"],
    )?;
    refused(
        &[&RACE[..], &["--narrow"]].concat(),
        &["--narrow needs a seed"],
    )
}

/// Commands for gdb at the beginning of a delay: the selected CPU with its stack, and both CPUs.
const AT_THE_DELAY: &str = "thread\nbacktrace 7\nthread apply all backtrace 1\ncontinue\n";

/// Runs a schedule under gdb, which must select the CPU of the delayed task: one that runs `draw`, called
/// by `caller`. Returns gdb's number of this CPU, and the status and output of kmodlab.
fn debug(schedule: [&str; 2], caller: &str) -> Result<(String, ExitStatus, String)> {
    let args = [&["test"], &RACE[..], &schedule, &["--gdb"]].concat();
    let (seen, status, printed) = under_gdb(xtask(original(), &args), AT_THE_DELAY)?;

    // The functions are on the stack of the selected CPU: of the others, one frame is shown.
    // gdb shows the path of a function of Rust, and the arguments.
    let frame = |function: &str| {
        [" ", "::"]
            .iter()
            .find_map(|before| seen.find(&format!("{before}{function} (")))
    };
    let frames = ["reached", "draw", caller].map(frame);
    assert!(frames[0].is_some() && frames.is_sorted(), "{seen}");
    assert!(seen.contains("/c/unlocked_counter.c:"), "{seen}");
    for cpu in ["Thread 1.1", "Thread 1.2"] {
        assert!(seen.contains(cpu), "{cpu} is not in\n{seen}");
    }
    let selected = seen.split_once("[Current thread is ");
    let thread = selected.and_then(|(_, rest)| rest.split_once(' '));
    let (thread, _) = thread.with_context(|| seen.clone())?;
    Ok((thread.to_owned(), status, printed))
}

/// Runs kmodlab until it waits for gdb, and then gdb with these commands. Returns gdb's output, and the
/// status and output of kmodlab.
fn under_gdb(mut xtask: Command, gdb: &str) -> Result<(String, ExitStatus, String)> {
    let mut debugged = xtask.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(debugged.stderr.take().context("no standard error")?);
    let mut printed = String::new();
    let commands = loop {
        let begin = printed.len();
        ensure!(lines.read_line(&mut printed)? > 0, "it ended:\n{printed}");
        if let Some((_, commands)) = printed[begin..].split_once(" gdb -x ") {
            break commands.trim().to_owned();
        }
    };
    let mut script = tempfile::NamedTempFile::new()?;
    std::io::Write::write_all(&mut script, gdb.as_bytes())?;
    let output = Command::new("gdb")
        .args(["-nx", "-batch", "-x", &commands, "-x"])
        .arg(script.path())
        .stdin(Stdio::null())
        .output()
        .context("cannot run gdb, which these tests need")?;
    let seen = String::from_utf8_lossy(&output.stdout).into_owned();
    lines.read_to_string(&mut printed)?;
    let status = debugged.wait()?;
    Ok((seen, status, printed))
}

#[test]
fn a_debugger_stops_at_the_deciding_delay_and_the_guest_then_fails_in_the_same_way() -> Result<()> {
    let _alone = alone();
    // Which seeds fail depends on the kernel's build.
    let (_, suite) = report(&[&RACE[..], &["--schedules", "40", "--no-narrow"]].concat())?;
    let fails = |run: &&RunEntry| run.verdict != "pass" && run.injected_delays.len() == 1;
    let failing: Vec<&RunEntry> = suite.runs.iter().filter(fails).take(4).collect();
    ensure!(failing.len() == 4, "{:?}", suite.summary);
    for run in failing {
        let caller = match run.injected_delays[0].task.starts_with("insmod") {
            true => "unlocked_counter_init",
            false => "drawer",
        };
        let seed = run.seed.context("no seed")?.to_string();
        let (_, status, printed) = debug(["--seed", &seed], caller)?;
        assert_eq!(status.code(), Some(1), "{printed}");
        let as_without =
            "under the debugger: printed something else than the text says, as without it";
        assert!(printed.contains(as_without), "{printed}");
        let message = "unlocked_counter: 2 draws, and the next ticket is 1";
        assert!(printed.contains(message), "{printed}");
    }
    Ok(())
}

#[test]
fn a_debugger_finds_the_sources_of_a_project() -> Result<()> {
    let race = original().join("modules/races/unlocked_counter/c/unlocked_counter.c");
    let source = std::fs::read_to_string(race)?;
    let project = TestProject::new(&[("src/own.c", &source), ("kmodlab.toml", MANIFEST)])?;
    let run = "insmod own.ko && rmmod own";
    let schedule = "insmod@init_module+0x38#1=1ms";
    let args = [
        "test",
        "./own",
        "--run",
        run,
        "--schedule",
        schedule,
        "--gdb",
    ];
    let (seen, status, printed) = under_gdb(project.command(&args), "list draw\ncontinue\n")?;
    ensure!(status.success(), "{printed}");
    ensure!(
        seen.contains("static noinline void draw(void)"),
        "{seen}{printed}"
    );
    Ok(())
}

/// Lists the source of a project's module.
const MANIFEST: &str = "[module.own]\nsources = [\"src/own.c\"]\n";

#[test]
fn a_debugger_selects_the_delayed_task_on_the_second_cpu_too() -> Result<()> {
    let _alone = alone();
    // The last bits of the start choose the CPUs of the first tasks, and the kernel that of the thread.
    for start in 0..16 {
        // After a stop at the first delay, gdb takes over at the second.
        let delays = "insmod@init_module+0x38#1=0.001ms drawer@draw+0x13#1=1ms";
        let nanoseconds = 250_000 * start + start % 4;
        let schedule = format!(
            "start={}.{:06}ms {delays}",
            nanoseconds / 1_000_000,
            nanoseconds % 1_000_000
        );
        if debug(["--schedule", &schedule], "drawer")?.0 == "2" {
            return Ok(());
        }
    }
    bail!("the thread runs on the first CPU with each of these schedules");
}
