//! The files for editors, tried with a real rust-analyzer and a real clang.

mod language_server;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use xtask::cache::Cache;
use xtask::ide::DEBUGGER_PORT;
use xtask::symbols::editor_script;

use crate::lab::{XtaskOutput, original, run, xtask};
use language_server::LanguageServer;

/// A module in Rust that builds.
const RUST: &str = "\
use kernel::prelude::*;
use kernel_ext::kthread::KThread;

module! {
    type: Mine,
    name: \"mine\",
    license: \"GPL\",
}

struct Mine {
    _thread: KThread<()>,
}

impl kernel::Module for Mine {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!(\"hello\\n\");
        let thread = KThread::run(kernel::c_str!(\"mine\"), |_ctx| ())?;
        Ok(Mine { _thread: thread })
    }
}
";

/// The same in C.
const C: &str = "\
#include <linux/module.h>

static int __init mine_init(void)
{
	return 0;
}
module_init(mine_init);

MODULE_LICENSE(\"GPL\");
";

/// Writes a module in both languages and the files for its editor.
fn project(folder: &Path) -> Result<()> {
    let mine = folder.join("mine");
    std::fs::create_dir_all(mine.join("c"))?;
    std::fs::write(mine.join("mine.rs"), RUST)?;
    std::fs::write(mine.join("c/mine.c"), C)?;
    ide(folder)?.expect(
        0,
        &[
            "written  ./mine/rust-project.json",
            "written  ./mine/compile_commands.json",
            "written  ./mine/.vscode/tasks.json",
        ],
    )
}

fn ide(folder: &Path) -> Result<XtaskOutput> {
    let mut xtask = xtask(original(), &["ide", "mine"]);
    xtask.current_dir(folder);
    run(&mut xtask)
}

#[test]
fn rust_analyzer_finds_definitions_in_the_kernel_and_in_kernel_ext() -> Result<()> {
    let folder = tempfile::tempdir()?;
    project(folder.path())?;
    let mine = folder.path().join("mine");
    let root = mine.join("mine.rs");
    let mut server = LanguageServer::start(&mine)?;
    server.open(&root, RUST)?;
    server.wait_until_ready()?;
    let mut definition = |text: &str, within: &str, file: &str| -> Result<()> {
        let at = RUST.find(text).context("the text")? + text.find(within).context("the word")?;
        let line = RUST[..at].matches('\n').count();
        let column = at - RUST[..at].rfind('\n').map_or(0, |end| end + 1);
        let found = server.definition(&root, line, column)?;
        ensure!(found.ends_with(file), "{text}: {found}, expected {file}");
        Ok(())
    };
    definition("pr_info!(", "pr_info", "rust/kernel/print.rs")?;
    definition("KThread::run(", "run", "kernel_ext/kthread.rs")?;
    definition("KThread<()>", "KThread", "kernel_ext/kthread.rs")?;
    definition("ThisModule) ->", "ThisModule", "rust/kernel/lib.rs")
        .or_else(|_| definition("ThisModule) ->", "ThisModule", "rust/kernel/this_module.rs"))
}

#[test]
fn the_commands_for_clangd_compile_the_c_source() -> Result<()> {
    let folder = tempfile::tempdir()?;
    project(folder.path())?;
    let mine = folder.path().join("mine");
    let text = std::fs::read_to_string(mine.join("compile_commands.json"))?;
    let commands: Value = serde_json::from_str(&text)?;
    let own = commands
        .as_array()
        .and_then(|commands| {
            commands.iter().find(|command| {
                command["file"]
                    .as_str()
                    .is_some_and(|file| file.ends_with("c/mine.c"))
            })
        })
        .context("no command for c/mine.c")?;
    let (directory, command) = (own["directory"].as_str(), own["command"].as_str());
    let (directory, command) = directory
        .zip(command)
        .context("a directory and a command")?;
    let checked = Command::new("sh")
        .args(["-c", &format!("{command} -fsyntax-only")])
        .current_dir(directory)
        .output()?;
    ensure!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    Ok(())
}

#[test]
fn files_of_the_user_are_kept() -> Result<()> {
    let folder = tempfile::tempdir()?;
    project(folder.path())?;
    let settings = folder.path().join("mine/.vscode/settings.json");
    std::fs::write(&settings, "{}\n")?;
    ide(folder.path())?.expect(
        0,
        &[
            "kept     ./mine/.vscode/settings.json",
            "written  ./mine/.vscode/tasks.json",
            "written  ./mine/rust-project.json",
        ],
    )?;
    ensure!(std::fs::read_to_string(&settings)? == "{}\n");
    let launch = std::fs::read_to_string(folder.path().join("mine/.vscode/launch.json"))?;
    let symbols = editor_script(&Cache::from_env()?, DEBUGGER_PORT)?;
    let source = format!("\"source {}\"", symbols.display());
    ensure!(launch.contains(&source), "{source} is not in\n{launch}");
    Ok(())
}
