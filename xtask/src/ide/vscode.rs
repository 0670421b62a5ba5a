//! Tasks, settings and the debugger's configuration of VS Code.

use std::path::Path;

use serde_json::{Value, json};

use super::EditorFile;
use crate::modules::Language;

mod problems;

/// Port of the guest that waits for the debugger: the default of `qemu --gdb`.
pub const DEBUGGER_PORT: u16 = 1234;

/// Label of the task that boots a guest for the debugger, which begins when gdb starts.
const GUEST: &str = "kmodlab: guest that waits for gdb";

/// Line of `qemu --gdb` from which on gdb can connect.
const WAITS: &str = "^the guest waits for a debugger";

/// Lines with which `watch` begins and ends a test.
const CHANGED: &str = "^.+ changed$";
const WATCHING: &str = "^watching .+; Ctrl-C ends$";

/// Matches no line: a task that begins at its start has no line for that.
const NEVER: &str = "^(?!)$";

/// Returns the tasks: build the module, test it once or after each change, and a guest that waits for a
/// debugger. They run the installed program, for the folder may be outside of a clone. `kernel` are the words
/// that select the kernel on its command line.
pub fn tasks(kernel: &[String]) -> EditorFile {
    let task = |label: &str, subcommand: &[&str]| {
        let kernel = kernel.iter().map(String::as_str);
        let words = ["kmodlab"].into_iter().chain(subcommand.iter().copied());
        let words: Vec<&str> = words.chain(kernel).chain(["."]).collect();
        // Only a NUL cannot be quoted, and no argument of a process has one.
        let command = shlex::try_join(words.iter().copied()).unwrap_or_else(|_| words.join(" "));
        json!({
            "label": label,
            "type": "shell",
            "command": command,
            "problemMatcher": problems::matchers(),
        })
    };
    let mut test = task("kmodlab: test", &["test"]);
    test["group"] = json!({"kind": "test", "isDefault": true});
    let mut build = task("kmodlab: build", &["build"]);
    build["group"] = json!({"kind": "build", "isDefault": true});
    let mut watch = task("kmodlab: watch", &["watch"]);
    watch["isBackground"] = json!(true);
    watch["problemMatcher"] = problems::in_background(CHANGED, WATCHING);
    let mut guest = task(GUEST, &["qemu", "--gdb"]);
    guest["isBackground"] = json!(true);
    guest["problemMatcher"] = problems::in_background(NEVER, WAITS);
    file(
        ".vscode/tasks.json",
        &json!({"version": "2.0.0", "tasks": [build, test, watch, guest]}),
    )
}

/// Returns the extensions that the other files are for.
pub fn extensions(languages: &[Language]) -> EditorFile {
    let mut names = vec!["ms-vscode.cpptools"];
    for language in languages {
        names.push(match language {
            Language::Rust => "rust-lang.rust-analyzer",
            Language::C => "llvm-vs-code-extensions.vscode-clangd",
        });
    }
    file(
        ".vscode/extensions.json",
        &json!({"recommendations": names}),
    )
}

/// Returns the settings: the project file for rust-analyzer, which also checks on save.
pub fn settings() -> EditorFile {
    file(
        ".vscode/settings.json",
        &json!({
            "rust-analyzer.linkedProjects": ["rust-project.json"],
            // cargo knows nothing of the module; the task reports errors.
            "rust-analyzer.checkOnSave": false,
            "clangd.arguments": ["--header-insertion=never"],
            // Only gdb can use this port of the guest.
            "remote.portsAttributes": {
                (DEBUGGER_PORT.to_string()): {"label": "gdb of the guest", "onAutoForward": "ignore"},
            },
        }),
    )
}

/// Returns the configuration that starts the task with the guest, and attaches gdb to it. `vmlinux` is the kernel
/// with its symbols, and `modules` gdb's command file with those of the modules, which exists while the
/// guest runs.
pub fn launch(vmlinux: &Path, modules: &Path) -> EditorFile {
    file(
        ".vscode/launch.json",
        &json!({
            "version": "0.2.0",
            "configurations": [{
                "name": "kmodlab: attach to the guest",
                "preLaunchTask": GUEST,
                "type": "cppdbg",
                "request": "launch",
                "program": vmlinux,
                "cwd": "${workspaceFolder}",
                "MIMode": "gdb",
                "miDebuggerServerAddress": format!("localhost:{DEBUGGER_PORT}"),
                "stopAtConnect": true,
                "postRemoteConnectCommands": [{
                    "description": "symbols of the modules",
                    "text": format!("source {}", modules.display()),
                    "ignoreFailures": true,
                }],
            }],
        }),
    )
}

fn file(name: &'static str, value: &Value) -> EditorFile {
    // A value without floating-point numbers can always be written.
    EditorFile::editable(name, &format!("{value:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_select_the_kernel_for_which_the_files_are() {
        let words = ["--kernel", "6.12", "--config", "/a b/x.config"];
        let tasks = tasks(&words.map(str::to_owned)).text;
        for command in [
            "kmodlab build --kernel 6.12 --config '/a b/x.config' .",
            "kmodlab test --kernel 6.12 --config '/a b/x.config' .",
            "kmodlab qemu --gdb --kernel 6.12 --config '/a b/x.config' .",
        ] {
            let command = format!("\"command\": \"{command}\"");
            assert!(tasks.contains(&command), "{command} is not in\n{tasks}");
        }
    }
}
