//! The cause for which a tool of kbuild failed, by its output and by make's words about its end.

use crate::process::{CompilerLimits, SANDBOX_FAILED};

/// Phrases in the output of a compiler that the host stopped, or that has a bug.
const HOST_PHRASES: [&str; 11] = [
    SANDBOX_FAILED,
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "Input/output error",
    "Cannot allocate memory",
    "Too many open files",
    "LLVM ERROR: ",
    "PLEASE submit a bug report",
    "error: internal compiler error",
    "the compiler unexpectedly panicked",
];

/// Beginning of an error of clang's driver, which knows no source: an option is wrong, or it could not start the
/// compiler or write a file.
const DRIVER: &str = "clang: error: ";

/// The cause for which a tool failed.
#[derive(Debug)]
pub(super) enum ToolFailure {
    /// It refused a source.
    Refused,
    /// It exceeded a limit of its sandbox for a source: the error in place of its output, because a
    /// compiler without memory prints addresses, which differ from run to run.
    Limit(String),
    /// The host stopped it, it has a bug, or its output does not say what is wrong: a note if it says nothing.
    Host(Option<String>),
}

/// Returns the cause for which a tool with these lines of output failed. `end` is how make says that
/// it ended, such as `Error 1` or `Killed`.
pub(super) fn tool_failure(end: &str, lines: &[String]) -> ToolFailure {
    if let Some(error) = limit_exceeded(end, lines) {
        return ToolFailure::Limit(error);
    }
    // From 126 on: the shell could not start the tool, or a signal ended it.
    let ended_itself = status(end).is_some_and(|status| status < 126);
    let is_free_of_host = !lines
        .iter()
        .any(|line| is_hosts(line) || line.contains(DRIVER));
    // A tool that only fails, such as kbuild's fixdep on a full disk, says nothing of a source.
    if ended_itself && is_free_of_host && lines.iter().any(|line| is_diagnostic(line)) {
        return ToolFailure::Refused;
    }
    let shows_nothing = lines.is_empty() || !ended_itself;
    ToolFailure::Host(shows_nothing.then(|| format!("the compiler ended with: {end}")))
}

/// Reports whether a line is that of a tool that the host stopped, or that has a bug.
pub(super) fn is_hosts(line: &str) -> bool {
    HOST_PHRASES.iter().any(|phrase| line.contains(phrase))
}

/// Reports whether make says with these words that a signal ended a tool.
pub(super) fn shows_host(end: &str) -> bool {
    // From 128 on, a shell reports a signal.
    status(end).is_none_or(|status| status >= 128)
}

/// Returns the status in make's words about the end of a tool; `None` if a signal ended it.
fn status(end: &str) -> Option<u32> {
    end.strip_prefix("Error ")?.parse().ok()
}

/// Returns the error of a source for which a compiler exceeded a limit of its sandbox, if so.
///
/// A host that has too little memory itself kills the compiler, and lets no allocation fail.
fn limit_exceeded(end: &str, lines: &[String]) -> Option<String> {
    /// The status of a program that SIGXCPU ended, in a shell and as make describes it.
    const CPU_TIME: [&str; 2] = ["Error 152", "CPU time limit exceeded"];
    /// The same of SIGXFSZ.
    const FILE_SIZE: [&str; 2] = ["Error 153", "File size limit exceeded"];
    const MEMORY: [&str; 3] = [
        "memory allocation of ",
        "LLVM ERROR: out of memory",
        "std::bad_alloc",
    ];
    let starts = |ends: [&str; 2]| ends.iter().any(|known| end.starts_with(known));
    let is_memory = |line: &String| MEMORY.iter().any(|phrase| line.contains(phrase));
    if starts(CPU_TIME) {
        let limit = CompilerLimits::CPU_SECONDS;
        Some(format!(
            "error: the compiler took more than {limit} s of CPU time"
        ))
    } else if starts(FILE_SIZE) {
        let limit = CompilerLimits::FILE_MIB;
        Some(format!(
            "error: the compiler wrote a file of more than {limit} MiB"
        ))
    } else if lines.iter().any(is_memory) {
        let limit = CompilerLimits::MEMORY_MIB;
        Some(format!(
            "error: the compiler needs more than {limit} MiB of memory"
        ))
    } else {
        None
    }
}

/// Reports whether a line is an error of a compiler, a linker, objtool or modpost.
pub(super) fn is_diagnostic(line: &str) -> bool {
    line.starts_with("error")
        || line.contains(": error: ")
        // A bare `#error` has no text after the colon.
        || line.ends_with(": error:")
        || line.contains("ERROR: ")
        || line.contains(": fatal error: ")
}
