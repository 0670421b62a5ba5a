//! `cargo xtask test --record` and `cargo xtask replay`, with and without gdb.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use xtask::recording::Recording;

use crate::lab::{
    TestClone, TestProject, XtaskOutput, alive, kill, line_with, named, original, processes_below,
    run, wait_for, with_line_numbers, xtask,
};

/// Runs xtask on the original clone.
fn run_here(args: &[&str]) -> Result<XtaskOutput> {
    run(&mut xtask(original(), args))
}

/// Records a lesson with `run`, whose xtask must end with `status`; returns the
/// folder and the recording's path.
fn record(
    run: impl Fn(&[&str]) -> Result<XtaskOutput>,
    lesson: &str,
    lang: &str,
    status: i32,
) -> Result<(tempfile::TempDir, String)> {
    let folder = tempfile::tempdir()?;
    let into = folder.path().display().to_string();
    run(&["test", lesson, "--lang", lang, "--record", &into])?.expect(status, &[])?;
    let file = format!("{into}/{lesson}-{lang}.kmodrec");
    ensure!(Path::new(&file).is_file(), "there is no {file}");
    Ok((folder, file))
}

/// Console block of a short lesson.
const CONSOLE: &str = "$ insmod probe.ko\n$ rmmod probe\n";

#[test]
fn a_lesson_that_needs_two_cpus_is_not_recorded() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let into = folder.path().display().to_string();
    let args = ["test", "kthread_create_on_node", "--record", &into];
    run_here(&args)?.expect(
        0,
        &[
            "skipped: a recorded guest has one CPU:",
            "0 passed, 0 failed, 2 skipped",
        ],
    )?;
    ensure!(std::fs::read_dir(folder.path())?.next().is_none());
    Ok(())
}

/// A replay that waits for gdb to attach.
struct Debugged {
    xtask: Child,
    /// Path of the file with gdb's commands.
    commands: String,
}

impl Debugged {
    /// Starts `cargo xtask replay --gdb`, and waits until it names the commands.
    fn start(mut xtask: Command) -> Result<Self> {
        let mut xtask = xtask.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let stderr = xtask.stderr.take().context("no standard error")?;
        let mut lines = BufReader::new(stderr);
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            ensure!(lines.read_line(&mut line)? > 0, "it has output:\n{seen}");
            seen.push_str(&line);
            if let Some((_, commands)) = line.split_once(" gdb -x ") {
                let commands = commands.trim().to_owned();
                std::thread::spawn(move || lines.read_to_string(&mut String::new()));
                return Ok(Self { xtask, commands });
            }
        }
    }

    /// Attaches gdb, runs `commands` in it, and returns its output.
    fn gdb(&self, commands: &str) -> Result<String> {
        let mut script = tempfile::NamedTempFile::new()?;
        std::io::Write::write_all(&mut script, commands.as_bytes())?;
        let output = Command::new("gdb")
            .args(["-nx", "-batch", "-x", &self.commands, "-x"])
            .arg(script.path())
            .stdin(Stdio::null())
            .output()
            .context("cannot run gdb, which these tests need")?;
        let [stdout, stderr] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        Ok(format!("{stdout}{stderr}"))
    }

    fn processes(&self) -> Vec<u32> {
        processes_below(self.xtask.id())
    }

    /// Waits until the replay ends, and checks its status and that nothing is left.
    fn ends(mut self, status: i32, processes: Vec<u32>) -> Result<()> {
        let exit = self.xtask.wait()?;
        ensure!(exit.code() == Some(status), "{exit}, not {status}");
        for pid in processes {
            wait_for(&format!("the end of {pid}"), || (!alive(pid)).then_some(()))?;
        }
        ensure!(!Path::new(&self.commands).exists(), "its folder is left");
        Ok(())
    }
}

impl Drop for Debugged {
    fn drop(&mut self) {
        let _ = self.xtask.kill();
        let _ = self.xtask.wait();
    }
}

/// Returns the name and the value of each `MARK` that gdb printed.
fn marks(printed: &str) -> Vec<(&str, &str)> {
    let marks = printed
        .lines()
        .filter_map(|line| line.strip_prefix("MARK "));
    marks.filter_map(|mark| mark.split_once(' ')).collect()
}

#[test]
fn a_replay_equals_its_recording_or_reports_the_difference() -> Result<()> {
    let clone = TestClone::probe(CONSOLE)?;
    let (folder, file) = record(|args| clone.run(args), "probe", "rust", 0)?;
    clone.run(&["replay", &file])?.expect(
        0,
        &[
            "\n$ insmod probe.ko\n",
            "probe: loading out-of-tree module taints kernel.",
            "\nthe same to the byte: ",
            "verdict when it was recorded: pass",
        ],
    )?;
    let recording = Recording::load(Path::new(&file))?;
    let changed = |change: &dyn Fn(&mut Recording)| -> Result<String> {
        let mut other = recording.clone();
        change(&mut other);
        let path = folder.path().join("other.kmodrec");
        std::fs::write(&path, other.packed()?)?;
        Ok(path.display().to_string())
    };
    let other = changed(&|recording| {
        let last = recording.log.len() - 2;
        recording.log[last] = b'?';
    })?;
    clone.run(&["replay", &other])?.expect(
        1,
        &[
            "NOT the same: the kernel's log differs from byte ",
            "    recorded  <6>[",
            "    replayed  <6>[",
        ],
    )?;
    let other = changed(&|recording| recording.manifest.qemu = "0.1".to_owned())?;
    clone
        .run(&["replay", &other])?
        .expect(69, &["recorded with QEMU 0.1, and this is QEMU "])?;
    let other = changed(&|recording| recording.manifest.command.push_str(" -m 1"))?;
    clone
        .run(&["replay", &other])?
        .expect(2, &["recorded by another version of kmodlab"])?;
    // A recording may be anyone's, and its devices reach QEMU's command line.
    let other = changed(&|recording| {
        recording.manifest.machine.q35 = Some(vec!["edu,romfile=passwd".to_owned()]);
    })?;
    clone
        .run(&["replay", &other])?
        .expect(2, &["the recording: the property `romfile` of the device"])?;
    let whole = std::fs::read(&file)?;
    std::fs::write(&other, &whole[..whole.len() / 2])?;
    clone
        .run(&["replay", &other])?
        .expect(2, &["is not a recording of", "or is incomplete"])
}

#[test]
fn an_unusable_folder_is_reported_before_a_build() -> Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    let into = file.path().display().to_string();
    let output = run_here(&["test", "--record", &into])?;
    output.expect(2, &["--record: ", " is not a folder"])?;
    ensure!(!output.printed().contains("kernel"), "{}", output.printed());
    let into = tempfile::tempdir()?.path().display().to_string();
    run_here(&["test", "--record", &into, "--time", "real"])?.expect(2, &["leave out --time real"])
}

/// Stops at two breakpoints of a lesson's module, and steps and runs backwards.
fn there_and_back(lang: &str, source: &str) -> Result<()> {
    let (_folder, file) = record(run_here, "kthread_run", lang, 0)?;
    let name = Path::new(source).file_name().context("no name")?;
    let name = name.to_string_lossy();
    let path = Path::new("modules/lessons").join(source);
    let first = line_with(&path, "thread created successfully")?;
    let second = line_with(&path, "Inside kthread exit function")?;
    let debugged = Debugged::start(xtask(original(), &["replay", "--gdb", &file]))?;
    let processes = debugged.processes();
    let printed = debugged.gdb(&format!(
        "set pagination off\n\
         break {name}:{first}\n\
         break {name}:{second}\n\
         continue\nprintf \"MARK first %#lx\\n\", $pc\n\
         info source\n\
         continue\nprintf \"MARK second %#lx\\n\", $pc\n\
         stepi\nstepi\nstepi\nprintf \"MARK stepped %#lx\\n\", $pc\n\
         reverse-stepi\nreverse-stepi\nreverse-stepi\nprintf \"MARK back %#lx\\n\", $pc\n\
         reverse-continue\nprintf \"MARK again %#lx\\n\", $pc\n\
         backtrace 2\n\
         kill\n"
    ))?;
    let marks = marks(&printed);
    let of = |name: &str| {
        let mark = marks.iter().find(|(mark, _)| *mark == name);
        mark.map(|(_, pc)| *pc)
            .with_context(|| format!("no {name}:\n{printed}"))
    };
    ensure!(of("first")? != of("second")?, "{printed}");
    ensure!(of("stepped")? != of("second")?, "{printed}");
    ensure!(of("back")? == of("second")?, "{printed}");
    ensure!(of("again")? == of("first")?, "{printed}");
    // The recorded source comes before the clone's, which may have changed.
    let located = format!("/sources/lessons/{source}");
    ensure!(printed.contains(&located), "{printed}");
    // The stop's source location.
    ensure!(printed.contains(&format!("{name}:{first}")), "{printed}");
    ensure!(
        printed.contains("Inside kthread exit function"),
        "{printed}"
    );
    debugged.ends(0, processes)
}

#[test]
fn gdb_knows_the_types_of_a_module() -> Result<()> {
    for (lang, function, value, printed) in [
        (
            "rust",
            "unlocked_counter::draw",
            "*shared",
            "unlocked_counter::Shared {next: ",
        ),
        ("c", "draw", "done", "{done = 0, wait = {lock = "),
    ] {
        let (_folder, file) = record(run_here, "unlocked_counter", lang, 0)?;
        let debugged = Debugged::start(xtask(original(), &["replay", "--gdb", &file]))?;
        let processes = debugged.processes();
        let commands = format!("break {function}\ncontinue\nprint {value}\nkill\n");
        let seen = debugged.gdb(&commands)?;
        ensure!(seen.contains(printed), "{printed:?} is not in\n{seen}");
        debugged.ends(0, processes)?;
    }
    Ok(())
}

/// The folder of a submission may be gone, or the student has gone on.
#[test]
fn gdb_shows_the_sources_as_they_were_recorded() -> Result<()> {
    let project = TestProject::of("two_files")?;
    let folder = tempfile::tempdir()?;
    let into = folder.path().display().to_string();
    let recorded = project.xtask(&["test", "./two_files", "--record", &into])?;
    recorded.expect(0, &["1 passed"])?;
    project.write("start.c", "/* another text */\n")?;
    let file = format!("{into}/two_files-c.kmodrec");
    let debugged = Debugged::start(project.command(&["replay", "--gdb", &file]))?;
    let processes = debugged.processes();
    let printed = debugged.gdb("break startstop_init\ncontinue\nkill\n")?;
    ensure!(
        printed.contains("pr_info(\"%s\\n\", GREETING);"),
        "{printed}"
    );
    debugged.ends(0, processes)
}

#[test]
fn gdb_goes_forwards_and_back_in_rust() -> Result<()> {
    there_and_back("rust", "kthread_run/kthread_run.rs")
}

#[test]
#[ignore = "ci/nightly runs it, and CI the same in Rust"]
fn gdb_goes_forwards_and_back_in_c() -> Result<()> {
    there_and_back("c", "kthread_run/c/kthread_run.c")
}

#[test]
fn a_module_that_panics_in_init_has_symbols_too() -> Result<()> {
    let clone = TestClone::with_tests(&["fails_rust_panic"])?;
    let (_folder, file) = record(|args| clone.run(args), "fails_rust_panic", "rust", 1)?;
    clone.run(&["replay", &file])?.expect(
        0,
        &[
            "the same to the byte",
            "verdict when it was recorded: panic: ",
        ],
    )?;
    let debugged = Debugged::start(clone.xtask(&["replay", "--gdb", &file]))?;
    let processes = debugged.processes();
    // gdb detaches, and the guest runs to its end.
    let printed = debugged.gdb("break panic\ncontinue\nbacktrace\ndelete\n")?;
    let place = with_line_numbers(
        "modules/tests/fails_rust_panic/fails_rust_panic.rs",
        " at lessons/fails_rust_panic/fails_rust_panic.rs:@{index}",
    )?;
    ensure!(printed.contains(&place), "{printed}");
    debugged.ends(0, processes)
}

#[test]
fn an_interrupted_replay_leaves_nothing() -> Result<()> {
    let clone = TestClone::probe(CONSOLE)?;
    let (_folder, file) = record(|args| clone.run(args), "probe", "rust", 0)?;
    let mut debugged = Debugged::start(clone.xtask(&["replay", "--gdb", &file]))?;
    let processes = debugged.processes();
    ensure!(
        named(&processes, "qemu-system").is_some(),
        "there is no QEMU"
    );
    kill(debugged.xtask.id(), Signal::INT)?;
    let exit = debugged.xtask.wait()?;
    ensure!(exit.code() == Some(130), "{exit}");
    for pid in processes {
        wait_for(&format!("the end of {pid}"), || (!alive(pid)).then_some(()))?;
    }
    Ok(())
}
