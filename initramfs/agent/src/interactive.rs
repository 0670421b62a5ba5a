//! A shell on the console, for a person.

use std::process::Command;

use anyhow::{Context as _, Result};
use kmodlab_protocol::{BANNER_FILE, COLUMNS_VARIABLE, ROWS_VARIABLE};
use rustix::process::{WaitOptions, wait};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::guest::Guest;
use crate::shell::{PATH, SETSID};

/// Starts the shell, and returns when it has ended.
pub fn serve(guest: &Guest) -> Result<()> {
    // Kernel messages of level "info" and worse appear on the screen as they come.
    let _ = guest.set("/proc/sys/kernel/printk", "7");
    set_size();
    if let Ok(banner) = guest.read(BANNER_FILE) {
        use std::io::Write as _;
        let _ = std::io::stdout().write_all(&banner);
    }
    // setsid and cttyhack give the shell a terminal of its own, so that Ctrl-C, & and fg work.
    // -l makes it read /etc/profile.
    std::env::set_current_dir(guest.path("/root")).context("there is no folder /root")?;
    let shell = Command::new(SETSID)
        .args(["cttyhack", "sh", "-l"])
        .env("PATH", PATH)
        .env("HOME", "/root")
        .spawn()
        .context("cannot start a shell")?;
    // Every process whose parent has ended becomes a child of process 1.
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, _))) if pid.as_raw_pid().cast_unsigned() == shell.id() => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for the shell"),
        }
    }
}

/// Sets the console's size. A serial line does not know how large the user's terminal is: the
/// host passes it on the kernel's command line.
fn set_size() {
    let number = |name| std::env::var(name).ok()?.parse().ok();
    if let (Some(rows), Some(columns)) = (number(ROWS_VARIABLE), number(COLUMNS_VARIABLE)) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let _ = tcsetwinsize(std::io::stdin(), size);
    }
}
