//! Each figure and how it is taken.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::measure;
use crate::results::{Aim, Figure, Results};
use xtask::cache::Cache;
use xtask::commands::bench::cargo;
use xtask::kernel::{self, KernelImage};
use xtask::key::files_below;
use xtask::lesson::transcript::{self, Step, Transcript};
use xtask::lesson::{Lesson, script};
use xtask::modules::Language;
use xtask::pipeline::Prepared;
use xtask::play::plan::Play;
use xtask::play::{self, Time};
use xtask::session::Session;
use xtask::ui::Ui;
use xtask::vm::Machine;

/// What the figures are taken of.
pub struct Bench<'a> {
    /// The session that everything was prepared in.
    pub session: &'a Session,
    /// A kernel, modules in both languages and an initramfs, all built, and a
    /// saved guest.
    pub prepared: &'a Prepared,
    /// The guest with a shell, as `cargo xtask qemu` boots it.
    pub interactive: &'a Machine,
    /// The lessons that the suite plays.
    pub lessons: &'a [Lesson],
    /// The options that name the kernel, for xtasks that are run.
    pub kernel_args: &'a [String],
    /// How often each quick figure is taken.
    pub runs: usize,
    /// How often the kernel is built each way.
    pub kernel_builds: usize,
}

/// What can be measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Builds with nothing to do, boots, the lessons, sizes
    Quick,
    /// A command typed in real time
    Typed,
    /// How soon a dead guest has its verdict
    Verdicts,
    /// Schedules: how fast, whether a seed repeats, what is found (half an hour)
    Schedules,
    /// A replay, against its recording
    Replay,
    /// Rust and C side by side
    Languages,
    /// The cold compile of xtask
    Compile,
    /// The cold builds of the kernel
    Kernel,
}

pub fn figure(
    name: &'static str,
    unit: &'static str,
    aim: Option<Aim>,
    values: Vec<f64>,
) -> Figure {
    eprintln!("bench: {name}");
    Figure {
        name,
        unit,
        aim,
        values,
    }
}

impl Bench<'_> {
    /// Takes the figures of the `parts`, or all, the quick ones first.
    pub fn take(&self, parts: &[Part]) -> Result<Results> {
        let wanted = |part| parts.is_empty() || parts.contains(&part);
        let mut results = Results::default();
        let figures = &mut results.figures;
        if wanted(Part::Quick) {
            figures.push(self.nothing_to_do()?);
            figures.push(self.edit_to_verdict()?);
            figures.push(self.boot_to_shell()?);
            figures.extend(self.next_to_nothing()?);
            figures.extend(self.suite()?);
            figures.extend(self.sizes()?);
        }
        if wanted(Part::Typed) {
            figures.push(self.typed_command()?);
        }
        if wanted(Part::Verdicts) {
            figures.extend(self.verdicts()?);
        }
        if wanted(Part::Schedules) {
            figures.extend(self.schedules()?);
        }
        if wanted(Part::Replay) {
            figures.push(self.replay_over_recording()?);
        }
        if wanted(Part::Languages) {
            results.languages = self.languages()?;
        }
        if wanted(Part::Compile) {
            figures.push(self.compile_xtask()?);
        }
        if wanted(Part::Kernel) && self.kernel_builds > 0 {
            figures.extend(self.cold_kernel()?);
        }
        Ok(results)
    }

    pub fn times(&self, mut one: impl FnMut() -> Result<f64>) -> Result<Vec<f64>> {
        (0..self.runs).map(|_| one()).collect()
    }

    pub fn args<'a>(&'a self, command: &'a str) -> Vec<&'a str> {
        let mut args = vec![command, "--no-install"];
        args.extend(self.kernel_args.iter().map(String::as_str));
        args
    }

    /// `cargo xtask build` when all is there, cargo's own look included.
    fn nothing_to_do(&self) -> Result<Figure> {
        let root = self.session.workspace.root();
        let build = || {
            let mut build = cargo();
            build.current_dir(root).arg("xtask");
            measure::run(build.args(self.args("build")))
        };
        build()?; // cargo may have to look once
        let values = self.times(|| measure::wall(build))?;
        Ok(figure(
            "build with nothing to do",
            "s",
            Some(Aim::AtMost(0.3)),
            values,
        ))
    }

    /// From a changed lesson source to its verdict, in a copy of the clone.
    fn edit_to_verdict(&self) -> Result<Figure> {
        let copy = tempfile::tempdir()?;
        let root = self.session.workspace.root();
        for part in ["kernel-config", "modules", "initramfs"] {
            copy_tree(&root.join(part), &copy.path().join(part))?;
        }
        let lesson = self.lessons.first().context("there is no lesson")?;
        let source = format!("modules/lessons/{0}/{0}.rs", lesson.name);
        let original = std::fs::read_to_string(root.join(&source))?;
        let mut edit = 0;
        let mut args = self.args("test");
        args.push(&lesson.name);
        let values = self.times(|| {
            edit += 1;
            let stamp = (std::process::id(), edit);
            let edited = format!("{original}\n// edit {stamp:?}\n");
            std::fs::write(copy.path().join(&source), edited)?;
            measure::wall(|| measure::xtask(copy.path(), &args))
        })?;
        Ok(figure(
            "edit of the lesson to verdict",
            "s",
            Some(Aim::AtMost(5.0)),
            values,
        ))
    }

    /// From the start of QEMU to the prompt, as `cargo xtask qemu` boots.
    fn boot_to_shell(&self) -> Result<Figure> {
        let Prepared {
            toolchain, kernel, ..
        } = self.prepared;
        let values = self.times(|| {
            let (reader, writer) = std::io::pipe()?;
            let started = Instant::now();
            let _qemu = self
                .interactive
                .command(toolchain, kernel)
                .spawn(Stdio::from(writer), Stdio::null())?;
            wait_for(reader, PROMPT)?;
            Ok(started.elapsed().as_secs_f64())
        })?;
        Ok(figure("boot to shell", "s", Some(Aim::AtMost(1.2)), values))
    }

    /// A guest that plays next to nothing, and one that sleeps ten seconds.
    fn next_to_nothing(&self) -> Result<Vec<Figure>> {
        let empty = self.times(|| Ok(self.play_command("true")?.0))?;
        let sleeper = self.times(|| {
            let (wall, guest) = self.play_command("sleep 10")?;
            Ok(guest / wall)
        })?;
        Ok(vec![
            figure("empty lesson, start to end", "s", None, empty),
            figure(
                "guest seconds a wall second, 10 s of sleep",
                "ratio",
                Some(Aim::AtLeast(6.0)),
                sleeper,
            ),
        ])
    }

    /// The wall and the guest's seconds of a guest that plays `command`.
    fn play_command(&self, command: &str) -> Result<(f64, f64)> {
        let step = Step {
            line: 1,
            command: command.to_owned(),
            expected: Vec::new(),
            status: 0,
        };
        let lesson = Lesson {
            name: command.to_owned(),
            folder: PathBuf::new(),
            readme: PathBuf::new(),
            title: command.to_owned(),
            transcript: Transcript {
                steps: vec![step],
                limit: transcript::LIMIT,
            },
            no_rust: None,
            two_cpus: None,
        };
        self.play(&lesson)
    }

    /// The wall and the guest's seconds of a lesson, which must pass.
    fn play(&self, lesson: &Lesson) -> Result<(f64, f64)> {
        let play = Play {
            lesson,
            language: Language::Rust,
        };
        let outcome = play::lesson(self.session, self.prepared, &play, Time::Virtual)?;
        let verdict = outcome.verdict.name();
        ensure!(verdict == "pass", "{} came to {verdict}", lesson.name);
        let guest = outcome.guest_seconds.context("the guest logged nothing")?;
        Ok((outcome.wall.as_secs_f64(), guest - self.lived_before()?))
    }

    /// How many seconds old by its own clock a guest is when a lesson starts.
    pub fn lived_before(&self) -> Result<f64> {
        match &self.prepared.saved {
            Some(saved) => {
                script::noted_until(&saved.console()?).context("the saved guest has noted nothing")
            }
            None => Ok(0.0),
        }
    }

    fn sizes(&self) -> Result<Vec<Figure>> {
        let Prepared {
            kernel,
            initramfs,
            modules,
            ..
        } = self.prepared;
        let size = |name, paths: &[PathBuf]| -> Result<Figure> {
            let mut bytes = 0;
            for path in paths {
                bytes += std::fs::metadata(path)?.len();
            }
            #[expect(clippy::cast_precision_loss, reason = "no file here has 2^53 bytes")]
            let value = bytes as f64;
            Ok(figure(name, "bytes", None, vec![value]))
        };
        let rust = modules
            .iter()
            .filter(|module| module.language == Language::Rust);
        let modules: Vec<PathBuf> = rust.map(|module| module.path.clone()).collect();
        Ok(vec![
            size("size of vmlinux", &[kernel.vmlinux()])?,
            size("size of all modules", &modules)?,
            size(
                "size of the initramfs",
                std::slice::from_ref(&initramfs.path),
            )?,
        ])
    }

    /// Compiles xtask with all that it depends on into an empty folder.
    fn compile_xtask(&self) -> Result<Figure> {
        let target = tempfile::tempdir()?;
        let wall = measure::wall(|| {
            let mut build = cargo();
            build.current_dir(self.session.workspace.root());
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

    /// The kernel through xtask and by bare make, in turn, from nothing.
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

    fn kernel_through_xtask(&self) -> Result<()> {
        let folder = tempfile::tempdir_in(self.session.cache.folder("staging")?)?;
        let session = Session {
            workspace: self.session.workspace.clone(),
            cache: Cache::at(folder.path())?,
            ui: Ui::new(false),
            may_install: false,
            jobs: self.session.jobs,
        };
        let Prepared {
            toolchain,
            source,
            kernel,
            ..
        } = self.prepared;
        KernelImage::build(&session, toolchain, source, kernel.profile).map(drop)
    }

    /// The same tree and configuration, and `make` with nothing around it.
    fn kernel_by_make(&self) -> Result<()> {
        let folder = tempfile::tempdir_in(self.session.cache.folder("staging")?)?;
        let Prepared {
            toolchain, kernel, ..
        } = self.prepared;
        let config = folder.path().join(".config");
        std::fs::copy(kernel.objects.join(".config"), config)?;
        let mut command = kernel::make(
            toolchain,
            &self.prepared.source.tree,
            folder.path(),
            self.session.jobs,
        )
        .args(kernel::TARGETS)
        .bare();
        measure::run(&mut command)
    }
}

/// What `initramfs/` sets as the shell's prompt.
const PROMPT: &str = "kmodlab:/root# ";

/// Reads until `text` has come by.
fn wait_for(mut from: impl std::io::Read, text: &str) -> Result<()> {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            bail!("the guest ended before it printed {text:?}");
        }
        seen.extend_from_slice(&buffer[..count]);
        if seen
            .windows(text.len())
            .any(|window| window == text.as_bytes())
        {
            return Ok(());
        }
    }
}

pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for file in files_below(from)? {
        let target = to.join(file.strip_prefix(from)?);
        std::fs::create_dir_all(target.parent().context("a file has a folder")?)?;
        std::fs::copy(&file, target)?;
    }
    Ok(())
}
