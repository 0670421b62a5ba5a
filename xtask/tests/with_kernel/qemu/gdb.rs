//! gdb on a running guest.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use xtask::cache::Cache;
use xtask::symbols::editor_script;

use super::{PROMPT, QUIT, Terminal};
use crate::lab::TestClone;

/// Stops in a function of a module that the guest loads after gdb has attached, prints `value`, and
/// loads the module a second time.
/// `attach` returns gdb's arguments, from the command file that `qemu` names and the port.
fn gdb_prints(
    lang: &str,
    attach: fn(&str, u16) -> Result<Vec<String>>,
    (function, value): (&str, &str),
    printed: &str,
) -> Result<()> {
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let clone = TestClone::whole()?;
    let gdb = format!("--gdb={port}");
    let mut terminal = Terminal::start(clone, &["unlocked_counter", "--lang", lang, &gdb])?;
    terminal.wait(" gdb -x ")?;
    let start = terminal.read;
    terminal.wait("\r\n")?;
    let script = terminal.seen[start..terminal.read].trim().to_owned();
    let mut commands = tempfile::NamedTempFile::new()?;
    let stop = format!("tbreak {function}\ncontinue\nprint {value}\n");
    write!(
        commands,
        "set pagination off\n{stop}tbreak free_module\ncontinue\n{stop}lx-symbols\ndetach\n"
    )?;
    let gdb = Command::new("gdb")
        .args(["-nx", "-batch"])
        .args(attach(&script, port)?)
        .arg("-x")
        .arg(commands.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run gdb, which these tests need")?;
    terminal.wait(PROMPT)?;
    let load = "insmod unlocked_counter.ko; rmmod unlocked_counter";
    terminal.type_line(&format!("{load}; {load}; echo do''ne"))?;
    let output = gdb.wait_with_output()?;
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    ensure!(
        stdout.matches(printed).count() == 2,
        "{printed:?} is not twice in\n{stdout}{stderr}"
    );
    // Before the guest loads the module and after it has removed the module, gdb does not know it.
    for (words, times) in [("pending.\n", 2), ("symbols of ", 3)] {
        let count = stdout.matches(words).count();
        ensure!(count == times, "{count} of {words:?} in\n{stdout}{stderr}");
    }
    terminal.wait("done")?;
    terminal.wait(PROMPT)?;
    terminal.ends(0, |terminal| terminal.press(QUIT))
}

/// Attaches as VS Code does: it loads the kernel, attaches, and then runs the commands of `launch.json`.
fn as_an_editor(script: &str, port: u16) -> Result<Vec<String>> {
    let script = std::fs::read_to_string(script)?;
    let mut lines = script.lines();
    let kernel = lines.find(|line| line.starts_with("file "));
    let symbols = editor_script(&Cache::from_env()?, port)?;
    let commands = [
        kernel.context("no kernel")?.to_owned(),
        format!("target remote localhost:{port}"),
        format!("source {}", symbols.display()),
    ];
    let args = commands.into_iter();
    Ok(args
        .flat_map(|command| ["-ex".to_owned(), command])
        .collect())
}

#[test]
fn gdb_has_the_types_of_a_module_in_rust_that_the_guest_loads() -> Result<()> {
    let printed = "= unlocked_counter::Shared {next: ";
    let attach = |script: &str, _| Ok(vec!["-x".to_owned(), script.to_owned()]);
    gdb_prints(
        "rust",
        attach,
        ("unlocked_counter::draw", "*shared"),
        printed,
    )
}

#[test]
fn gdb_has_the_types_of_a_module_in_c_that_the_guest_loads() -> Result<()> {
    gdb_prints(
        "c",
        as_an_editor,
        ("draw", "done"),
        "= {done = 0, wait = {lock = ",
    )
}
