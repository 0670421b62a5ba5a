//! The command line of `cargo xtask` and of the installed `kmodlab`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use rustix::process::Signal;

use crate::cache::{SizeLimit, keep_limit};
use crate::commands::{
    bench, book, build, cache, check, course, doc, doctor, env, exercise, grade, hint, ide, learn,
    list, mistake, new, pack, qemu, replay, reset, shell, solution, test, watch,
};
use crate::{failure, process, program, symbols, vm};

/// Build a Linux kernel with Rust, build the lessons' modules and test them in guests
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
enum Command {
    /// Build the kernel, every lesson's module and the initramfs
    Build(build::BuildOptions),
    /// Boot a guest with a shell on this terminal
    Qemu(qemu::QemuOptions),
    /// Run the console blocks of lessons in guests and compare the output
    Test(Box<test::TestOptions>),
    /// Print the make variables to build a module with your own make
    Env(env::EnvOptions),
    /// Write a new module, with a test that passes
    New(new::NewOptions),
    /// Write the files by which editors understand a module
    Ide(ide::IdeOptions),
    /// Run `test` again when a file of a module changes
    Watch(Box<watch::WatchOptions>),
    /// Learn by exercises: make a folder for your answers, and check each when you save it
    Learn(Box<learn::LearnOptions>),
    /// Boot a guest in which an exercise's part or a module's text was typed
    Shell(Box<shell::ShellOptions>),
    /// Check answers to exercises, part by part
    Check(Box<check::CheckOptions>),
    /// List the exercises and your progress
    List(list::ExerciseListOptions),
    /// Print the next hint for an exercise
    Hint(hint::HintOptions),
    /// Begin an exercise anew; your answer is kept beside it
    Reset(reset::ResetOptions),
    /// Print the solution of an exercise that has passed
    Solution(solution::SolutionOptions),
    /// Show a common mistake of a lesson happen
    Break(Box<mistake::BreakOptions>),
    /// Prove exercises, and print their skeletons, for those who write them
    Exercise(exercise::ExerciseOptions),
    /// Replay a recording of `test --record`, to its end or under gdb
    Replay(replay::ReplayOptions),
    /// Measure how long kmodlab takes, and compare each figure with its aim
    Bench(bench::BenchOptions),
    /// Make a book of the lessons, the races and the documents, as web pages
    Book(book::BookOptions),
    /// Build the API documentation of kernel_ext and of the kernel crate
    Doc(doc::DocOptions),
    /// Grade submissions to the exercises of a course
    Grade(Box<grade::GradeOptions>),
    /// Make a course, and prove its exercises
    Course(course::CourseOptions),
    /// Check what a build needs and suggest fixes
    Doctor(doctor::DoctorOptions),
    /// List what the cache has, or remove what nobody needs
    Cache(cache::CacheOptions),
    /// Write one file with all that another computer needs to run and build modules
    ///
    /// The file has the kernel without its objects, the compilers that kmodlab fetched, the modules
    /// of all lessons and races, snapshots and, from an installed kmodlab, the program. Another
    /// computer with the same Debian release and packages downloads nothing and compiles no kernel.
    Pack(pack::PackOptions),
    /// Put the contents of a pack into the cache
    ///
    /// Each part is compared with its hash before anything changes. Entries that the cache has stay as they
    /// are.
    Unpack(pack::UnpackOptions),
}

/// Runs the program with the arguments of the process, and returns its exit status.
pub fn main() -> ExitCode {
    process::note_program();
    let mut args = std::env::args_os().skip(1);
    let outcome = match args.next() {
        Some(mode) if mode == process::GUARD => process::guard(args),
        Some(mode) if mode == process::GUARDED => process::become_tool(Signal::KILL, args),
        Some(mode) if mode == process::TERMINAL_GUARD => process::become_tool(Signal::TERM, args),
        Some(mode) if mode == process::SANDBOX => process::sandbox(args),
        Some(mode) if mode == symbols::FIND_MODULES => symbols::find_modules(args),
        _ => run(),
    };
    outcome.unwrap_or_else(|error| {
        process::park_if_interrupted();
        crate::errln!("error: {error:#}");
        failure::exit_code(&error)
    })
}

fn run() -> Result<ExitCode> {
    let name = program::name();
    let matches = Command::command().name(name).bin_name(name).get_matches();
    let command = Command::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    process::on_signals(|| {
        crate::learn::terminal::restore();
        vm::terminal::restore();
    })?;
    // Refused before the work, which may take long.
    SizeLimit::from_env()?;
    let keeps_limit = !matches!(command, Command::Cache(_));
    let outcome = run_command(command);
    process::park_if_interrupted();
    if keeps_limit && let Err(error) = keep_limit() {
        crate::errln!("the cache may be larger than its limit: {error:#}");
    }
    outcome
}

fn run_command(command: Command) -> Result<ExitCode> {
    match command {
        Command::Build(options) => build::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Qemu(options) => qemu::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Env(options) => env::run(&options).map(|()| ExitCode::SUCCESS),
        Command::New(options) => new::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Ide(options) => ide::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Watch(options) => watch::run(&options),
        Command::Learn(options) => learn::run(&options),
        Command::Shell(options) => shell::run(&options),
        Command::Check(options) => check::run(&options),
        Command::List(options) => list::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Hint(options) => hint::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Reset(options) => reset::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Solution(options) => solution::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Break(options) => mistake::run(&options),
        Command::Exercise(options) => exercise::run(&options),
        Command::Replay(options) => replay::run(&options),
        // The benchmark reads the same options again.
        Command::Bench(_) => bench::run().map(|never| match never {}),
        // So does the program of the book.
        Command::Book(_) => book::run().map(|never| match never {}),
        Command::Doc(options) => doc::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Grade(options) => grade::run(&options),
        Command::Course(options) => course::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Cache(options) => cache::run(&options),
        Command::Pack(options) => pack::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Unpack(options) => pack::run_unpack(&options).map(|()| ExitCode::SUCCESS),
    }
}
