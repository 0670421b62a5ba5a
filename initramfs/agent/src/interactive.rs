//! A shell on the console, for a person or for commands that the host has brought.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use kmodlab_protocol::{
    BANNER_FILE, COLUMNS_VARIABLE, DEBUG_PORT, ROWS_VARIABLE, SCRIPT_FILE, SCRIPT_STATUS,
    SCRIPT_VARIABLE,
};
use rustix::process::{WaitOptions, WaitStatus, wait};
use rustix::termios::{
    OptionalActions, OutputModes, Winsize, tcdrain, tcgetattr, tcsetattr, tcsetwinsize,
};

use crate::guest::Guest;
use crate::shell::{PATH, SETSID};

/// Starts the shell, and returns when it has ended.
pub fn serve(guest: &Guest) -> Result<()> {
    // Kernel messages of level "info" and worse appear on the screen as they come.
    let _ = guest.set("/proc/sys/kernel/printk", "7");
    set_size();
    if !guest.has(SCRIPT_FILE)
        && let Ok(banner) = guest.read(BANNER_FILE)
    {
        use std::io::Write as _;
        let _ = std::io::stdout().write_all(&banner);
    }
    std::env::set_current_dir(guest.path("/root")).context("there is no folder /root")?;
    if guest.has(SCRIPT_FILE) {
        return run_script(guest);
    }
    // setsid and cttyhack give the shell a terminal of its own, so that Ctrl-C, & and fg work.
    // -l makes it read /etc/profile.
    let shell = Command::new(SETSID)
        .args(["cttyhack", "sh", "-l"])
        .env("PATH", PATH)
        .env("HOME", "/root")
        .spawn()
        .context("cannot start a shell")?;
    wait_for(shell.id()).map(drop)
}

/// Runs the guest's commands, and reports the status of the last one to the host.
fn run_script(guest: &Guest) -> Result<()> {
    // A line that a command prints ends as the command ends it, without a carriage return.
    let stdout = std::io::stdout();
    if let Ok(mut modes) = tcgetattr(&stdout) {
        modes.output_modes.remove(OutputModes::ONLCR);
        let _ = tcsetattr(&stdout, OptionalActions::Now, &modes);
    }
    let shell = Command::new("/bin/sh")
        .args(["-l", SCRIPT_FILE])
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env(SCRIPT_VARIABLE, "1")
        .stdin(Stdio::null())
        .spawn()
        .context("cannot start a shell")?;
    let status = wait_for(shell.id())?;
    // The console sends what it still has before the guest is reset.
    let _ = tcdrain(&stdout);
    let status = status
        .exit_status()
        .or_else(|| Some(128 + status.terminating_signal()?))
        .unwrap_or(1);
    let ports = File::options().write(true).open(guest.path("/dev/port"));
    let ports = ports.context("cannot open /dev/port")?;
    for byte in format!("{SCRIPT_STATUS}{status}\n").bytes() {
        ports
            .write_all_at(&[byte], DEBUG_PORT)
            .context("cannot report a status")?;
    }
    Ok(())
}

/// Waits for the child with this PID. Every process whose parent has ended becomes a child of
/// process 1 too.
fn wait_for(child: u32) -> Result<WaitStatus> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_pid().cast_unsigned() == child => {
                return Ok(status);
            }
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
