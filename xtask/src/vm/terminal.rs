//! The user's terminal, lent to a guest and taken back as it was.

use std::io::stdin;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::machine::Machine;
use crate::kernel::KernelImage;
use crate::process::park_if_interrupted;
use crate::toolchain::Toolchain;

/// How the terminal was before a guest had it.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Runs a guest on the terminal until it powers off or the user quits QEMU.
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
        bail!("QEMU failed ({status}); what it said stands above");
    }
    Ok(())
}

/// Sets the terminal as it was before a guest had it. QEMU does so itself,
/// unless it is killed.
pub fn restore() {
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // Nobody is left to tell if the terminal has gone.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
    }
}

/// Words for the kernel's command line that tell the guest's init how large
/// the terminal is and what it understands: a serial line cannot ask.
pub fn kernel_words() -> Vec<String> {
    let mut words = Vec::new();
    if let Ok(size) = tcgetwinsize(stdin())
        && size.ws_row > 0
    {
        words.push(format!("kmodlab.rows={}", size.ws_row));
        words.push(format!("kmodlab.cols={}", size.ws_col));
    }
    if let Ok(term) = std::env::var("TERM")
        && term
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-+.".contains(letter))
        && !term.is_empty()
    {
        words.push(format!("TERM={term}"));
    }
    words
}
