//! Compiles a transcript into the files that a guest plays alone.
//!
//! In virtual time nothing in the host may be waited for, so the guest gets
//! the whole lesson at once: `/kmodlab/play`, which one shell runs from top
//! to bottom, and a file with each step's command, which it reads in with
//! `.`, so that folders, variables and background jobs hold from one step to
//! the next. `/init` (see `initramfs/kmodlab/supervise`) runs it and looks at
//! the guest's state before and after.

use std::fmt::Write as _;

use super::transcript::Transcript;
use crate::initramfs::GuestFile;

/// The folder that the files are in; the base has it.
const FOLDER: &str = "/kmodlab";

/// The play script's first lines. Descriptor 9 is the console; the shell's own
/// standard error goes nowhere, so that `set -x` in a lesson traces the
/// lesson and not these lines. `_kmodlab` hands on the status it is given, so
/// that `$?` at the beginning of a step is the step before's. Where a kernel
/// looks for leaks, it also notes where each loaded module's code is: when the
/// leaks are told the module is gone, and its functions have no names.
const PROLOGUE: &str = r#"# Plays a lesson, command by command, and notes where each begins and ends.
exec 9>&1 2>/dev/null
cd "$HOME"
_kmodlab() {
	local uptime
	read -r uptime _ </proc/uptime
	printf '\n%s step %s %s\n' NONCE "$*" "$uptime" >&9
	[ ! -e KMEMLEAK ] || [ "$2" = begin ] || _kmodlab_modules
	return "${3:-0}"
}
_kmodlab_modules() {
	local module size at
	# By the shell alone: a process more would leave its stack to the lesson's next.
	while read -r module size _ _ _ at _; do
		printf '\n%s section %s .text %s %s %s\n' NONCE "$module" "$size" "$at" "$uptime" >&9
	done </proc/modules
}
"#;

/// Where a kernel that can looks for lost memory.
const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";

/// Compiles a transcript.
///
/// The guest's notes begin with `nonce`, a word of letters and digits that
/// nothing else in the guest can know. After `limit_seconds` on its own clock
/// the guest gives up and says so.
pub fn compile(transcript: &Transcript, nonce: &str, limit_seconds: u32) -> Vec<GuestFile> {
    let file = |name: &str, contents: String| GuestFile {
        path: format!("{FOLDER}/{name}"),
        mode: 0o644,
        contents: contents.into_bytes(),
    };
    let mut play = PROLOGUE
        .replace("NONCE", nonce)
        .replace("KMEMLEAK", KMEMLEAK);
    let mut files = Vec::new();
    for (number, step) in (1..).zip(&transcript.steps) {
        // `write!` to a String cannot fail.
        let _ = write!(
            play,
            "_kmodlab {number} begin $?\n\
             . \"${{0%/*}}/step.{number}\" >&9 2>&9\n\
             _kmodlab {number} end $?\n"
        );
        files.push(file(&format!("step.{number}"), step.command.clone() + "\n"));
    }
    play.push_str("exit 0\n");
    files.push(file("play", play));
    files.push(file("nonce", format!("{nonce}\n")));
    files.push(file("limit", format!("{limit_seconds}\n")));
    files
}

/// The file that tells the guest that its kernel is made to look for leaks: if
/// it then cannot, that is noted.
pub fn must_find_leaks() -> GuestFile {
    GuestFile {
        path: format!("{FOLDER}/must-find-leaks"),
        mode: 0o644,
        contents: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
