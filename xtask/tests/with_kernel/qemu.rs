//! `cargo xtask qemu` on a terminal, key by key.

mod gdb;

use std::fs::File;
use std::io::{PipeWriter, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::lab::{TestClone, alive, kill, named, processes_below, wait_for};

/// Longest wait for an expected output, on a busy host.
const PATIENCE: Duration = Duration::from_secs(60);

const PROMPT: &str = "kmodlab:/root# ";

/// Ctrl-A and x: quits QEMU.
const QUIT: &str = "\u{1}x";
const CTRL_C: &str = "\u{3}";

/// A terminal with a shell that runs `cargo xtask qemu`. The shell prints the exit
/// status and stays, because the terminal is reset when its first program ends.
struct Terminal {
    shell: Child,
    /// The master side of the terminal, and a pipe that closes with it.
    window: Option<(File, PipeWriter)>,
    screen: Receiver<Vec<u8>>,
    seen: String,
    /// End of the output that was waited for so far.
    read: usize,
    name: String,
    before: Modes,
    clone: TestClone,
}

/// All settings of a terminal.
#[derive(Debug, PartialEq)]
struct Modes(String);

impl Modes {
    fn of(terminal: &File) -> Result<Self> {
        let Termios {
            input_modes,
            output_modes,
            control_modes,
            local_modes,
            special_codes,
            ..
        } = tcgetattr(terminal)?;
        Ok(Self(format!(
            "{input_modes:?} {output_modes:?} {control_modes:?} {local_modes:?} {special_codes:?}"
        )))
    }
}

/// Opens the slave side of a terminal, which does not become the test's own.
fn open(path: &str) -> Result<File> {
    let flags = i32::try_from(OFlags::NOCTTY.bits())?;
    let mut options = File::options();
    options.read(true).write(true).custom_flags(flags);
    options
        .open(path)
        .with_context(|| format!("cannot open {path}"))
}

impl Terminal {
    /// Runs `cargo xtask qemu`, and waits for the guest's prompt.
    fn new() -> Result<Self> {
        let clone = TestClone::probe("$ true\n")?;
        // The terminal shows the guest only, not the build.
        clone.run(&["build"])?.expect(0, &[])?;
        let mut terminal = Self::start(clone, &[])?;
        terminal.wait(PROMPT)?;
        Ok(terminal)
    }

    /// Runs `cargo xtask qemu` with these arguments in a clone.
    fn start(clone: TestClone, arguments: &[&str]) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?.into_string()?;
        let size = Winsize {
            ws_row: 37,
            ws_col: 111,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size)?;
        let terminal = open(&name)?;
        let before = Modes::of(&terminal)?;
        let xtask = clone.xtask(&[&["qemu", "--accel", "tcg"], arguments].concat());
        // The parent of the tests may ignore signals, as nohup does; a login shell
        // does not.
        let mut shell = Command::new("setsid");
        shell
            .args(["--ctty", "--wait", "env", "--default-signal", "sh", "-c"])
            .arg("\"$0\" \"$@\"; echo \"status $?.\"; trap '' INT; cat >/dev/null")
            .arg(xtask.get_program())
            .args(xtask.get_args())
            .env("TERM", "vt220")
            .stdin(terminal.try_clone()?)
            .stdout(terminal.try_clone()?)
            .stderr(terminal);
        for (variable, value) in xtask.get_envs() {
            if let Some(value) = value {
                shell.env(variable, value);
            }
        }
        let shell = shell.spawn()?;
        let keys = File::from(master);
        let mut output = keys.try_clone()?;
        let (sender, screen) = channel();
        let (window, closed) = std::io::pipe()?;
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let mut events = [
                    PollFd::new(&window, PollFlags::IN),
                    PollFd::new(&output, PollFlags::IN),
                ];
                if poll(&mut events, None).is_err() || !events[0].revents().is_empty() {
                    return;
                }
                // A read fails once the last program on the terminal has ended.
                let Ok(count @ 1..) = output.read(&mut buffer) else {
                    return;
                };
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            shell,
            window: Some((keys, closed)),
            screen,
            seen: String::new(),
            read: 0,
            name,
            before,
            clone,
        })
    }

    /// Waits until `text` is on the screen, after the last text that was waited for.
    fn wait(&mut self, text: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen[self.read..].find(text) {
                self.read += at + text.len();
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(why) => bail!("{text:?} did not come ({why}):\n{}", self.seen),
            }
        }
    }

    fn press(&mut self, keys: &str) -> Result<()> {
        let (terminal, _) = self.window.as_mut().context("the terminal is closed")?;
        Ok(terminal.write_all(keys.as_bytes())?)
    }

    /// Types a line and Enter.
    fn type_line(&mut self, line: &str) -> Result<()> {
        self.press(line)?;
        self.press("\r")
    }

    fn xtask(&self) -> Result<u32> {
        named(&processes_below(self.shell.id()), "xtask").context("no xtask")
    }

    fn qemu(&self) -> Result<u32> {
        named(&processes_below(self.shell.id()), "qemu-system").context("no QEMU")
    }

    /// Returns the process numbers of xtask, its guards and QEMU.
    fn processes(&self) -> Result<Vec<u32>> {
        let mut pids = processes_below(self.xtask()?);
        pids.push(self.xtask()?);
        ensure!(pids.contains(&self.qemu()?), "QEMU is not xtask's");
        Ok(pids)
    }

    /// Returns true if the shell's terminal does not block, so that a line can get lost.
    fn shell_may_lose_lines(&self) -> Result<bool> {
        let opening = std::fs::read_to_string(format!("/proc/{}/fdinfo/1", self.shell.id()))?;
        let flags = opening.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = u32::from_str_radix(flags.context("no flags")?.trim(), 8)?;
        Ok(flags & OFlags::NONBLOCK.bits() != 0)
    }

    /// Calls `end`, and checks that xtask ends with `status`, that no process is left
    /// and that the terminal has its old settings.
    fn ends(mut self, status: i32, end: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let running = open(&self.name)?;
        let raw = Modes::of(&running)?;
        ensure!(raw != self.before, "QEMU has not taken the terminal");
        ensure!(
            !self.shell_may_lose_lines()?,
            "the shell's terminal does not wait"
        );
        let pids = self.processes()?;
        end(&mut self)?;
        self.wait(&format!("status {status}."))?;
        for pid in pids {
            wait_for_end(pid)?;
        }
        ensure!(
            Modes::of(&running)? == self.before,
            "{:?}",
            Modes::of(&running)?
        );
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Closing the terminal ends the shell.
        self.window = None;
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

#[test]
fn modules_load_and_poweroff_ends_the_guest() -> Result<()> {
    let mut terminal = Terminal::new()?;
    ensure!(
        terminal.seen.contains("insmod probe.ko"),
        "{}",
        terminal.seen
    );
    terminal.type_line("insmod probe.ko && lsmod")?;
    terminal.wait("probe: loading out-of-tree module taints kernel.")?;
    terminal.wait("probe ")?;
    terminal.wait(PROMPT)?;
    terminal.type_line("rmmod probe; echo $((6 * 7)) \"<$(lsmod)>\"")?;
    terminal.wait("42 <Module")?;
    terminal.wait(PROMPT)?;
    terminal.type_line("stty size; echo $TERM")?;
    terminal.wait("37 111\r")?;
    terminal.wait("vt220\r")?;
    terminal.wait(PROMPT)?;
    terminal.ends(0, |terminal| terminal.type_line("poweroff"))
}

#[test]
fn keys_go_to_the_guest_and_ctrl_a_x_quits() -> Result<()> {
    let mut terminal = Terminal::new()?;
    // The guest echoes what is typed, so the quotes keep the echo from matching. The
    // process that then sleeps prints the text: a Ctrl-C while a shell starts a
    // program may reach neither.
    terminal.type_line("sh -c \"echo be''gun; exec sleep 1000\"; echo never''theless")?;
    terminal.wait("begun")?;
    terminal.press(CTRL_C)?;
    terminal.wait(PROMPT)?;
    terminal.type_line("echo over $? and o''ut")?;
    terminal.wait("over 130 and out")?;
    ensure!(!terminal.seen.contains("nevertheless"), "{}", terminal.seen);
    // A typing mistake, corrected with the backspace key.
    terminal.type_line("echo on\u{7f}ff a''gain")?;
    terminal.wait("\r\noff again")?;
    terminal.ends(0, |terminal| terminal.press(QUIT))
}

#[test]
fn reload_brings_a_changed_module_into_the_guest() -> Result<()> {
    let mut terminal = Terminal::new()?;
    terminal.type_line("insmod probe.ko")?;
    terminal.wait(PROMPT)?;
    terminal.type_line("reload nothing")?;
    terminal.wait("reload: this guest has no module nothing; it has probe")?;
    terminal.wait(PROMPT)?;
    let source = std::fs::read_to_string(terminal.clone.lesson("probe").join("probe.rs"))?;
    let broken = format!("{source}\nfn broken( {{}}\n");
    terminal.clone.write_lesson("probe", "probe.rs", &broken)?;
    terminal.type_line("reload")?;
    terminal.wait("modules/lessons/probe/probe.rs:")?;
    terminal.wait(PROMPT)?;
    let changed = source.replacen("Ok(", "pr_info!(\"the second\\n\");\n        Ok(", 1);
    ensure!(changed != source, "{source}");
    terminal.clone.write_lesson("probe", "probe.rs", &changed)?;
    terminal.type_line("lsmod; reload")?;
    terminal.wait("probe ")?;
    terminal.wait("$ rmmod probe\r")?;
    terminal.wait("$ insmod /root/probe.ko\r")?;
    terminal.wait("probe: the second")?;
    terminal.wait(PROMPT)?;
    terminal.ends(0, |terminal| terminal.press(QUIT))
}

#[test]
fn a_term_signal_to_xtask_ends_the_guest() -> Result<()> {
    let terminal = Terminal::new()?;
    let xtask = terminal.xtask()?;
    terminal.ends(130, |_| kill(xtask, Signal::TERM))
}

#[test]
fn a_killed_xtask_leaves_nothing_and_the_terminal_as_it_was() -> Result<()> {
    let terminal = Terminal::new()?;
    let xtask = terminal.xtask()?;
    terminal.ends(137, |_| kill(xtask, Signal::KILL))
}

#[test]
fn a_killed_qemu_leaves_the_terminal_as_it_was() -> Result<()> {
    let terminal = Terminal::new()?;
    let qemu = terminal.qemu()?;
    terminal.ends(69, |_| kill(qemu, Signal::KILL))
}

#[test]
fn a_terminal_that_is_closed_ends_the_guest() -> Result<()> {
    let mut terminal = Terminal::new()?;
    let pids = terminal.processes()?;
    terminal.window = None;
    for pid in pids {
        wait_for_end(pid)?;
    }
    Ok(())
}

/// Waits until a process has ended. The error of a timeout describes the process.
fn wait_for_end(pid: u32) -> Result<()> {
    wait_for(&format!("the end of {pid}"), || (!alive(pid)).then_some(())).with_context(|| {
        let of = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        ["cmdline", "stat", "wchan"]
            .map(|file| of(file).unwrap_or_default().replace('\0', " "))
            .join("; ")
    })
}
