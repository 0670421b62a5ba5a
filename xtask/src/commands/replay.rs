//! `cargo xtask replay`: replays a recording.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::common::Common;
use crate::failure::{Failure, Fault};
use crate::kernel::KernelImage;
use crate::key::Key;
use crate::lesson::kernel_log::{LevelFilter, without_levels};
use crate::pipeline;
use crate::recording::{self, ComparedReplay, Manifest, RecordedKernel, Recording};
use crate::session::Session;
use crate::streams;
use crate::symbols::gdb_source_folders;
use crate::text::{printable, shell_word};
use crate::toolchain::Toolchain;

/// Options of `replay`.
#[derive(Debug, Clone, clap::Args)]
pub struct ReplayOptions {
    #[command(flatten)]
    common: Common,

    /// The recording, as `test --record FOLDER` or `grade` has made it
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Wait for a debugger before the first instruction; it can step backwards
    #[arg(long)]
    gdb: bool,
}

/// Replays a recording. Returns 0 if the replay is identical to the recording to the byte, else 1;
/// with `--gdb`, returns 0 once QEMU has ended.
///
/// # Errors
///
/// If the recording cannot be read, its kernel cannot be had, or QEMU fails.
pub fn run(options: &ReplayOptions) -> Result<ExitCode> {
    let recording = Recording::load(&options.file)?;
    let session = options.common.session()?;
    let RecordedKernel { name, label, key } = &recording.manifest.kernel;
    let key = Key::of(key).ok_or_else(|| {
        Failure::usage(format!("{}: its kernel has no key", options.file.display()))
    })?;
    let request = options.common.source_request();
    let (toolchain, kernel) = pipeline::kernel_with_key(&session, &request, name, label, &key)?;
    if options.gdb {
        debug(&session, &recording, &toolchain, &kernel)?;
        return Ok(ExitCode::SUCCESS);
    }
    let compared = recording::replay(&session, &recording, &toolchain, &kernel)?;
    show(&recording, &compared)?;
    Ok(match compared.difference {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(Fault::Lesson.status()),
    })
}

/// Prints the guest's output, and its comparison with the recording.
fn show(recording: &Recording, compared: &ComparedReplay) -> Result<()> {
    let Manifest {
        id,
        verdict,
        verdict_text,
        wall_seconds,
        ..
    } = &recording.manifest;
    let ComparedReplay {
        replayed,
        difference,
    } = compared;
    let mut stdout = streams::stdout();
    let mut print = |bytes: &[u8]| stdout.write_all(bytes).context("cannot print");
    print(b"== the kernel's log\n")?;
    print(&without_levels(&replayed.log))?;
    print(b"\n== the commands and their output\n")?;
    print(recording.session(&replayed.agent).as_bytes())?;
    let verdict = if verdict == "pass" {
        verdict.clone()
    } else {
        format!("{verdict}: {}", printable(verdict_text))
    };
    let (log, agent) = (replayed.log.len(), replayed.agent.len());
    let wall = replayed.wall.as_secs_f64();
    let comparison = match difference {
        None => format!(
            "the same to the byte: {log} of the kernel's log, {agent} of the agent's channel"
        ),
        Some(difference) => format!("NOT the same: {difference}"),
    };
    print(
        format!(
            "\n{}: replayed in {wall:.1} s (recorded in {wall_seconds:.1} s)\n\
             {comparison}\n\
             verdict when it was recorded: {verdict}\n",
            id
        )
        .as_bytes(),
    )
}

/// Waits for a debugger, and replays under it.
fn debug(
    session: &Session,
    recording: &Recording,
    toolchain: &Toolchain,
    kernel: &KernelImage,
) -> Result<()> {
    // The recording has the sources of a project.
    let sources = gdb_source_folders([], &session.workspace, &kernel.tree);
    let ready = |commands: &std::path::Path| {
        crate::errln!(
            "the replay waits for a debugger; in another terminal: gdb -x {}",
            shell_word(commands)
        );
    };
    let mut filter = LevelFilter::default();
    let mut on_log = |bytes: &[u8]| {
        let mut stdout = streams::stdout();
        stdout.write_all(&filter.push(bytes))?;
        stdout.flush().context("cannot print")
    };
    recording::debug(
        session,
        recording,
        toolchain,
        kernel,
        &sources,
        ready,
        &mut on_log,
    )
}
