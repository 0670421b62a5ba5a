//! Runs a guest on the user's terminal, and restores the terminal's settings.

use std::fs::File;
use std::io::{ErrorKind, stdin};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use kmodlab_protocol::{COLUMNS_VARIABLE, ROWS_VARIABLE};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::machine::Machine;
use crate::kernel::KernelImage;
use crate::process::park_if_interrupted;
use crate::toolchain::Toolchain;

/// The terminal's settings before a guest used it.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Runs a guest on the terminal until it powers off or the user quits QEMU.
///
/// # Errors
///
/// If QEMU cannot be started or fails.
pub fn run_on_terminal(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    machine: &Machine,
) -> Result<()> {
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = tcgetattr(stdin()).ok();
    let status = machine.command(toolchain, kernel).run_on_terminal();
    restore();
    let status: ExitStatus = status?;
    park_if_interrupted();
    if !status.success() {
        bail!("QEMU failed ({status}); its message is above");
    }
    Ok(())
}

/// Runs a guest whose commands are in its initramfs until it ends, and returns its report on
/// QEMU's debug console, the file `report`; `None` if the reader of the standard output has gone, and the guest was
/// ended: its commands might print for ever.
///
/// # Errors
///
/// If QEMU cannot be started or fails, or the output cannot be written.
pub fn run_batch(
    toolchain: &Toolchain,
    kernel: &KernelImage,
    machine: &Machine,
    report: &Path,
) -> Result<Option<String>> {
    let command = machine.command(toolchain, kernel);
    let (mut reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    let mut qemu = command.spawn(Stdio::from(writer), Stdio::inherit())?;
    // Not in whole lines, as std's own would write it.
    let own = rustix::io::dup(rustix::stdio::stdout()).context("cannot use the standard output")?;
    let copied = std::io::copy(&mut reader, &mut File::from(own));
    if let Err(error) = copied {
        qemu.end()?;
        park_if_interrupted();
        return match error.kind() {
            ErrorKind::BrokenPipe => Ok(None),
            _ => Err(error).context("cannot write the guest's output"),
        };
    }
    let status = qemu.wait()?;
    park_if_interrupted();
    if !status.success() {
        bail!("QEMU failed ({status}); its message is above");
    }
    let report =
        std::fs::read(report).with_context(|| format!("cannot read {}", report.display()))?;
    Ok(Some(String::from_utf8_lossy(&report).into_owned()))
}

/// Restores the terminal's settings from before a guest used it. QEMU does so itself, unless
/// it is killed.
pub fn restore() {
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // A terminal that has gone needs no settings.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
    }
}

/// Returns kernel parameters with the terminal's size and type for the guest's agent: a serial
/// line cannot ask for them.
pub fn kernel_parameters() -> Vec<String> {
    let mut parameters = Vec::new();
    if let Ok(size) = tcgetwinsize(stdin())
        && size.ws_row > 0
    {
        parameters.push(format!("{ROWS_VARIABLE}={}", size.ws_row));
        parameters.push(format!("{COLUMNS_VARIABLE}={}", size.ws_col));
    }
    if let Ok(term) = std::env::var("TERM")
        && term
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-+.".contains(letter))
        && !term.is_empty()
    {
        parameters.push(format!("TERM={term}"));
    }
    parameters
}
