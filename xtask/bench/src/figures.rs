//! The figures, and how each is taken.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use xtask::cache::Cache;
use xtask::commands::bench::{BenchPart, cargo};
use xtask::kernel::{self, KernelImage};
use xtask::lesson::Lesson;
use xtask::pipeline::Built;
use xtask::process::Tool;
use xtask::run::Runner;
use xtask::session::Session;
use xtask::ui::Ui;

use crate::clone::ScratchClone;
use crate::measure;
use crate::results::{Aim, Figure, Results};

/// The subjects and the settings of all figures.
///
/// Whatever a user sees is measured from outside, by running xtask and reading its
/// JSON report. The kernel's build and the comparison of languages use xtask's
/// library.
pub struct Bench<'a> {
    /// The session in which everything was built.
    pub session: &'a Session,
    /// A kernel, modules in both languages, an initramfs, and a snapshot.
    pub built: &'a Built,
    /// Runs guests.
    pub runner: Runner<'a>,
    /// The lessons of the suite.
    pub lessons: &'a [Lesson],
    /// The options that name the kernel, for each xtask that runs.
    pub kernel_args: &'a [String],
    /// Number of times that each quick figure is taken.
    pub runs: usize,
    /// Number of times that the kernel is built each way.
    pub kernel_builds: usize,
    /// Number of seeds in a block of the races' schedules.
    pub block: usize,
    /// Number of these blocks.
    pub blocks: usize,
    /// Number of plain repetitions of each race in real time.
    pub plain_runs: usize,
    /// The names of the races that are run; all races if empty.
    pub races: &'a [String],
}

/// Makes a figure, and reports on standard error that it was taken.
pub fn figure(
    name: &'static str,
    unit: &'static str,
    aim: Option<Aim>,
    values: Vec<f64>,
) -> Figure {
    xtask::errln!("bench: {name}");
    Figure {
        name,
        unit,
        aim,
        values,
    }
}

impl Bench<'_> {
    /// Takes the figures of `parts`, or all figures if there are none, the quick ones
    /// first.
    pub fn take(&self, parts: &[BenchPart]) -> Result<Results> {
        let included = |part| parts.is_empty() || parts.contains(&part);
        let mut results = Results::default();
        let figures = &mut results.figures;
        if included(BenchPart::Quick) {
            figures.push(self.nothing_to_do()?);
            figures.push(self.edit_to_verdict()?);
            figures.push(self.boot_to_shell()?);
            figures.extend(self.next_to_nothing()?);
            figures.extend(self.suite()?);
            figures.extend(self.sizes()?);
        }
        if included(BenchPart::Typed) {
            figures.push(self.typed_command()?);
        }
        if included(BenchPart::Verdicts) {
            figures.extend(self.verdicts()?);
        }
        if included(BenchPart::Schedules) {
            figures.extend(self.schedules()?);
        }
        // Hours: only on request.
        if parts.contains(&BenchPart::Races) {
            results.races = self.races()?;
        }
        if included(BenchPart::Replay) {
            figures.push(self.replay_over_recording()?);
        }
        if included(BenchPart::Languages) {
            results.languages = self.languages()?;
        }
        if included(BenchPart::Compile) {
            figures.push(self.compile_xtask()?);
        }
        if included(BenchPart::Kernel) && self.kernel_builds > 0 {
            figures.extend(self.cold_kernel()?);
        }
        Ok(results)
    }

    /// Takes a value as often as each quick figure is taken.
    pub fn times(&self, mut one: impl FnMut() -> Result<f64>) -> Result<Vec<f64>> {
        (0..self.runs).map(|_| one()).collect()
    }

    /// Returns the top folder of the clone.
    pub fn root(&self) -> &Path {
        self.session.workspace.root()
    }

    /// Returns `args` with the options that name the kernel.
    pub fn args<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        let kernel = self.kernel_args.iter().map(String::as_str);
        args.iter().copied().chain(kernel).collect()
    }

    /// Runs xtask on the clone, without output.
    pub fn xtask(&self, args: &[&str]) -> Result<()> {
        measure::run(&mut measure::xtask(self.root(), &self.args(args))?)
    }

    /// Measures `cargo xtask build` with nothing to build, cargo's own check included.
    fn nothing_to_do(&self) -> Result<Figure> {
        let build = || {
            let mut build = cargo();
            build.current_dir(self.root()).arg("xtask");
            measure::run(build.args(self.args(&["build", "--no-install"])))
        };
        build()?; // cargo may compile once
        let values = self.times(|| measure::wall(build))?;
        Ok(figure(
            "build with nothing to do",
            "s",
            Some(Aim::AtMost(0.3)),
            values,
        ))
    }

    /// Measures the time from a changed lesson source to its verdict.
    fn edit_to_verdict(&self) -> Result<Figure> {
        let copy = ScratchClone::of(self.root())?;
        let lesson = self.lessons.first().context("there is no lesson")?;
        let source = copy
            .lesson(&lesson.name)
            .join(format!("{}.rs", lesson.name));
        let original = std::fs::read_to_string(&source)?;
        let mut edit = 0;
        let args = self.args(&["test", &lesson.name]);
        let values = self.times(|| {
            edit += 1;
            let stamp = (std::process::id(), edit);
            std::fs::write(&source, format!("{original}\n// edit {stamp:?}\n"))?;
            measure::wall(|| measure::run(&mut measure::xtask(copy.root(), &args)?))
        })?;
        Ok(figure(
            "edit of the lesson to verdict",
            "s",
            Some(Aim::AtMost(5.0)),
            values,
        ))
    }

    /// Measures the time from the start of QEMU to the prompt of `cargo xtask qemu`.
    fn boot_to_shell(&self) -> Result<Figure> {
        let args = self.args(&["qemu", "--accel", "tcg", "--dry-run"]);
        let output = measure::xtask(self.root(), &args)?.output()?;
        ensure!(output.status.success(), "no command line of QEMU");
        let qemu = format!("exec {}", String::from_utf8(output.stdout)?);
        let values = self.times(|| {
            let (reader, writer) = std::io::pipe()?;
            let started = Instant::now();
            let _qemu = Tool::new("sh")
                .args(["-c", &qemu])
                .spawn(Stdio::from(writer), Stdio::null())?;
            wait_for(reader, PROMPT)?;
            Ok(started.elapsed().as_secs_f64())
        })?;
        Ok(figure("boot to shell", "s", Some(Aim::AtMost(1.2)), values))
    }

    /// Measures a lesson that does nothing, and one that sleeps for ten seconds.
    fn next_to_nothing(&self) -> Result<Vec<Figure>> {
        let (mut empty, mut sleep) = (Vec::new(), Vec::new());
        let nothing = ScratchClone::with_commands(self.root(), "$ true\n")?;
        let sleeper = ScratchClone::with_commands(self.root(), "$ sleep 10\n")?;
        for _ in 0..self.runs {
            let (wall, before) = self.durations(&nothing)?;
            empty.push(wall);
            let (wall, after) = self.durations(&sleeper)?;
            sleep.push((after - before) / wall);
        }
        Ok(vec![
            figure("empty lesson, start to end", "s", None, empty),
            figure(
                "guest seconds a wall second, 10 s of sleep",
                "ratio",
                Some(Aim::AtLeast(6.0)),
                sleep,
            ),
        ])
    }

    /// Runs the one lesson of a clone; returns the seconds on the wall and the
    /// reading of the guest's clock at the end.
    fn durations(&self, clone: &ScratchClone) -> Result<(f64, f64)> {
        let report = measure::test(clone.root(), &self.args(&["--lang", "rust"]))?;
        let run = measure::passed(&report)?;
        let guest = run
            .guest_clock_seconds
            .context("the guest logged nothing")?;
        Ok((run.duration_seconds, guest))
    }

    /// Returns the reading of a guest's clock when its lesson begins: the end of a
    /// lesson that does nothing.
    pub fn clock_at_begin(&self) -> Result<f64> {
        let nothing = ScratchClone::with_commands(self.root(), "$ true\n")?;
        Ok(self.durations(&nothing)?.1)
    }

    /// Measures a command that is typed in real time, from one prompt to the next. The
    /// guest's own share, the builtin `true`, takes microseconds.
    fn typed_command(&self) -> Result<Figure> {
        /// Number of commands that share one measurement.
        const COMMANDS: u32 = 200;
        let commands = "$ true\n".repeat(COMMANDS as usize);
        let clone = ScratchClone::with_commands(self.root(), &commands)?;
        let args = self.args(&["--lang", "rust", "--time", "real"]);
        let values = self.times(|| {
            let report = measure::test(clone.root(), &args)?;
            let phases = measure::passed(&report)?.phases.clone();
            let lesson = phases.context("no phases")?.lesson_duration_seconds;
            Ok(lesson * 1000.0 / f64::from(COMMANDS))
        })?;
        Ok(figure(
            "real time: overhead of a typed command",
            "ms",
            Some(Aim::AtMost(20.0)),
            values,
        ))
    }

    /// Measures the files that `cargo xtask build` prints.
    fn sizes(&self) -> Result<Vec<Figure>> {
        let output = measure::xtask(self.root(), &self.args(&["build"]))?.output()?;
        let printed = String::from_utf8(output.stdout)?;
        let size = |name, kind: &str| -> Result<Figure> {
            let mut bytes = 0;
            for line in printed.lines() {
                if let Some(path) = line.strip_prefix(kind) {
                    let path = Path::new(path.trim());
                    bytes += std::fs::metadata(path)
                        .with_context(|| path.display().to_string())?
                        .len();
                }
            }
            #[expect(clippy::cast_precision_loss, reason = "no file here has 2^53 bytes")]
            let value = bytes as f64;
            Ok(figure(name, "bytes", None, vec![value]))
        };
        Ok(vec![
            size("size of vmlinux", "kernel ")?,
            size("size of all modules in Rust", "module ")?,
            size("size of the initramfs", "initramfs ")?,
        ])
    }

    /// Measures the compilation of xtask and its dependencies into an empty folder.
    fn compile_xtask(&self) -> Result<Figure> {
        let target = tempfile::tempdir()?;
        let wall = measure::wall(|| {
            let mut build = cargo();
            build.current_dir(self.root());
            build.args(["build", "--package", "xtask", "--target-dir"]);
            measure::run(build.arg(target.path()))
        })?;
        Ok(figure(
            "cold compile of xtask",
            "s",
            Some(Aim::AtMost(90.0)),
            vec![wall],
        ))
    }

    /// Measures kernel builds from nothing, through xtask and by bare make in turns.
    fn cold_kernel(&self) -> Result<Vec<Figure>> {
        let (mut through_xtask, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..self.kernel_builds {
            let ours = measure::cpu(|| self.kernel_through_xtask())?;
            let bare = measure::cpu(|| self.kernel_by_make())?;
            through_xtask.push(ours);
            ratios.push(ours / bare);
        }
        Ok(vec![
            figure(
                "cold kernel build",
                "CPU s",
                Some(Aim::AtMost(300.0)),
                through_xtask,
            ),
            figure(
                "cold kernel build, xtask / bare make",
                "ratio",
                Some(Aim::AtMost(1.03)),
                ratios,
            ),
        ])
    }

    /// Builds the kernel by xtask's library, in an empty cache.
    fn kernel_through_xtask(&self) -> Result<()> {
        let folder = tempfile::tempdir_in(self.session.cache.folder("staging")?)?;
        let session = Session {
            workspace: self.session.workspace.clone(),
            cache: Cache::at(folder.path())?,
            ui: Ui::new(false),
            may_install: false,
            jobs: self.session.jobs,
        };
        let Built {
            toolchain,
            source,
            kernel,
            ..
        } = self.built;
        let configuration = kernel.profile.into();
        KernelImage::build(&session, toolchain, source, &configuration).map(drop)
    }

    /// Builds the same tree and configuration by bare `make`.
    fn kernel_by_make(&self) -> Result<()> {
        let folder = tempfile::tempdir_in(self.session.cache.folder("staging")?)?;
        let Built {
            toolchain, kernel, ..
        } = self.built;
        let config = folder.path().join(".config");
        std::fs::copy(kernel.objects.join(".config"), config)?;
        let mut command = kernel::make(
            toolchain,
            &self.built.source.tree,
            folder.path(),
            self.session.jobs,
        )
        .args(kernel::TARGETS)
        .bare();
        measure::run(&mut command)
    }
}

/// The shell's prompt in the interactive guest, which `initramfs/` sets.
const PROMPT: &str = "kmodlab:/root# ";

/// Reads until `text` has arrived.
fn wait_for(mut from: impl std::io::Read, text: &str) -> Result<()> {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            bail!("the guest ended before {text:?}");
        }
        read.extend_from_slice(&buffer[..count]);
        if read
            .windows(text.len())
            .any(|window| window == text.as_bytes())
        {
            return Ok(());
        }
    }
}
