//! Compiles a transcript into the files that a guest plays alone.
//!
//! In virtual time nothing in the host may be waited for, so the guest gets
//! the whole lesson at once: `/kmodlab/play`, which one shell runs from top
//! to bottom, and a file with each step's command, which it reads in with
//! `.`, so that folders, variables and background jobs hold from one step to
//! the next. `/init` (see `initramfs/kmodlab/supervise`) runs it and looks at
//! the guest's state before and after.
//!
//! In real time the same script is played, but the commands are not there: each
//! is typed at the console when the script asks for it, and lies in its file
//! after that. All that comes then is the same in both.

use std::fmt::Write as _;

use super::tracing;
use super::transcript::Transcript;
use crate::initramfs::GuestFile;
use crate::vm::Exchange;

/// The play script's first lines. Descriptor 9 is the console; the shell's own
/// standard error goes nowhere, so that `set -x` in a lesson traces the
/// lesson and not these lines.
///
/// `_kmodlab STATUS NOTE..` notes what happens at one moment, and hands on the
/// status, so that `$?` at the beginning of a step is the step before's. A
/// background job that ends interrupts a line that is just being written; then all
/// is written once more, and the half is no note. Where a kernel looks for leaks, it
/// also notes where each loaded module's code is: when the leaks are told the module
/// is gone, and its functions have no names. Where the kernel may be traced, the
/// trace is told too where a step begins and ends.
const PROLOGUE: &str = r#"# Plays a lesson, command by command, and notes where each begins and ends.
exec 9>&1 2>/dev/null
cd "$HOME"
_kmodlab_leaks= _kmodlab_marks=
[ ! -e KMEMLEAK ] || _kmodlab_leaks=1
[ ! -e "${0%/*}/after" ] || _kmodlab_marks=1
_kmodlab() {
	local uptime note notes= status="$1"
	shift
	read -r -d ' ' uptime </proc/uptime
	for note; do
		notes="$notes
NONCE step $note $status $uptime
"
	done
	until printf %s "$notes"; do :; done >&9
	[ -z "$_kmodlab_leaks" ] || _kmodlab_modules
	[ -z "$_kmodlab_marks" ] || for note; do echo "kmodlab: step $note"; done >MARKER
	return "$status"
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

/// What stands before the prologue of a script whose commands are typed. A
/// session's first process that opens a terminal makes it the session's own,
/// and takes it down at its end; so a second shell plays.
const TYPED_PROLOGUE: &str = r#"if [ $# -eq 0 ]; then
	exec 2>/dev/null
	sh "$0" session
	exit $?
fi
shift
_kmodlab_type() {
	local line
	_kmodlab "$2" "type $1"
	while IFS= read -r line; do
		case $line in
		'>'*) printf '%s\n' "${line#?}" ;;
		*) break ;;
		esac
	done <CONSOLE >"${0%/*}/step.$1"
	return "$2"
}
"#;

/// The guest's console.
const CONSOLE: &str = "/dev/hvc0";

/// Compiles a transcript for a guest that plays alone.
///
/// The guest's notes begin with `nonce`, a word of letters and digits that
/// nothing else in the guest can know. After `limit_seconds` on its own clock
/// the guest gives up and says so.
pub fn compile(transcript: &Transcript, nonce: &str, limit_seconds: u32) -> Vec<GuestFile> {
    let steps = (1..).zip(&transcript.steps);
    let mut files: Vec<GuestFile> = steps
        .clone()
        .map(|(number, step)| {
            GuestFile::own(&format!("step.{number}"), step.command.clone() + "\n")
        })
        .collect();
    let mut play = PROLOGUE.to_owned();
    // A note costs the guest as much as a short command: a step's end and the
    // next's beginning are one moment.
    let mut last = None;
    for (number, _) in steps {
        play.push_str(&begun(last, number));
        last = Some(number);
    }
    play.extend(last.map(ended));
    files.extend(script(&play, nonce, limit_seconds));
    files
}

/// Compiles a transcript for a guest that is typed at: its files, and what is
/// typed when. `nonce` and `limit_seconds` are as in [`compile`].
///
/// The nonce is never typed, so no echo of what is can pass for a note of the
/// guest's. A command is typed line by line, each behind a `>`, and a full stop
/// alone ends it: whatever the command's text is, the guest knows its end.
pub fn compile_typed(
    transcript: &Transcript,
    nonce: &str,
    limit_seconds: u32,
) -> (Vec<GuestFile>, Vec<Exchange>) {
    let mut play = TYPED_PROLOGUE.replace("CONSOLE", CONSOLE) + PROLOGUE;
    let mut exchanges = Vec::new();
    for (number, step) in (1..).zip(&transcript.steps) {
        // `write!` to a String cannot fail.
        let _ = writeln!(play, "_kmodlab_type {number} $?");
        play.push_str(&begun(None, number));
        play.push_str(&ended(number));
        let lines: String = step
            .command
            .split('\n')
            .map(|line| format!(">{line}\n"))
            .collect();
        exchanges.push(Exchange {
            awaited: format!("\n{nonce} step type {number} ").into_bytes(),
            typed: (lines + ".\n").into_bytes(),
        });
    }
    (script(&play, nonce, limit_seconds), exchanges)
}

/// The lines that play a step, whose command is in its file, up to its end; it
/// begins where the step before it ends, if that was not noted.
fn begun(ends: Option<usize>, number: usize) -> String {
    let end = ends.map_or(String::new(), |number| format!("\"{number} end\" "));
    format!(
        "_kmodlab $? {end}\"{number} begin\"\n\
         . \"${{0%/*}}/step.{number}\" >&9 2>&9\n"
    )
}

/// The line that notes a step's end.
fn ended(number: usize) -> String {
    format!("_kmodlab $? \"{number} end\"\n")
}

/// The files of every script.
fn script(play: &str, nonce: &str, limit_seconds: u32) -> Vec<GuestFile> {
    let play = play
        .replace("NONCE", nonce)
        .replace("KMEMLEAK", KMEMLEAK)
        .replace("MARKER", tracing::MARKER);
    vec![
        GuestFile::own("play", play + "exit 0\n"),
        GuestFile::own("nonce", format!("{nonce}\n")),
        GuestFile::own("limit", format!("{limit_seconds}\n")),
    ]
}

/// The file that tells the guest that its kernel is made to look for leaks: if
/// it then cannot, that is noted.
pub fn must_find_leaks() -> GuestFile {
    GuestFile::own("must-find-leaks", "")
}

/// The file with lines that a guest's shell runs right before its lesson.
pub fn order(lines: &str) -> GuestFile {
    GuestFile::own("order", lines)
}

/// The file that tells the guest to ask to be saved when its lesson is about to begin.
pub fn keep() -> GuestFile {
    GuestFile::own("keep", "")
}

/// The file that tells the guest that its notes and the shell's words go to
/// this device.
pub fn console_at(device: &str) -> GuestFile {
    GuestFile::own("console", format!("{device}\n"))
}

/// Stands for the nonce in the notes of a guest that has no lesson yet (see
/// `initramfs/kmodlab/supervise`).
const NO_NONCE: &str = "kmodlab-before";

/// What a guest noted before it had its lesson, which is that of `nonce`.
pub fn noted_before(nonce: &str, console: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(console)
        .replace(NO_NONCE, nonce)
        .into_bytes()
}

/// The guest's clock, in seconds since boot, at the last of those notes.
pub fn noted_until(console: &[u8]) -> Option<f64> {
    String::from_utf8_lossy(console)
        .lines()
        .rfind(|line| line.starts_with(NO_NONCE))?
        .rsplit(' ')
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests;
