//! What the guest noted on its console, read back.
//!
//! A note is a line whose first word is the run's nonce. Everything between
//! two notes is output; the line end in front of a note is the note's.

/// What the console shows of a run. Whatever is missing did not happen.
#[derive(Debug, Clone, Default)]
pub struct GuestRecord {
    /// The guest's clock when the guest turned to the lesson.
    pub began: Option<f64>,
    /// The guest's state before the lesson.
    pub before: Option<State>,
    /// The steps that began, in order.
    pub steps: Vec<PlayedStep>,
    /// The guest's clock when it gave up.
    pub timeout: Option<f64>,
    /// The exit status of the lesson's shell, once that has ended.
    pub shell: Option<i32>,
    /// The guest's state after the lesson.
    pub after: Option<State>,
    /// The kernel's clock of ticks when the lesson began, where the kernel
    /// looks for leaks.
    pub jiffies: Option<u64>,
    /// What the kernel says of memory that the lesson lost: the contents of
    /// `/sys/kernel/debug/kmemleak`, where there is such a file.
    pub kmemleak: Option<String>,
    /// Where code of modules was, in the order in which it was seen.
    pub sections: Vec<CodeSection>,
    /// What the guest could not check, though its kernel is made for it.
    pub unchecked: Vec<String>,
    /// What the kernel traced, if the guest was asked to tell it: the contents
    /// of `/sys/kernel/tracing/trace`.
    pub trace: Option<String>,
    /// True if the guest came to the end of it all.
    pub ended: bool,
}

/// A step as it was played.
#[derive(Debug, Clone, Default)]
pub struct PlayedStep {
    /// The guest's clock when it began, in seconds since boot.
    pub begin: f64,
    /// What was printed.
    pub output: Vec<u8>,
    /// Its end, if it came to one.
    pub end: Option<StepEnd>,
}

/// The end of a step.
#[derive(Debug, Clone, Copy)]
pub struct StepEnd {
    /// The command's exit status.
    pub status: u8,
    /// The guest's clock, in seconds since boot.
    pub at: f64,
}

/// Code of a module in the guest's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeSection {
    /// The module's name.
    pub module: String,
    /// The section's name in the `.ko` file: `.text`.
    pub section: String,
    /// The address of its first byte.
    pub address: u64,
    /// The module's size in bytes; the section is not longer.
    pub size: u64,
}

/// Raw listings of what must be the same before and after.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// `/proc/modules`.
    pub modules: String,
    /// All of `/proc/PID/stat`.
    pub threads: String,
    /// The paths below `/proc` that belong to no process.
    pub proc: String,
    /// `/proc/sys/kernel/tainted`.
    pub taint: String,
}

/// Reads the console of a run.
pub fn read(nonce: &str, console: &[u8]) -> GuestRecord {
    let mut record = GuestRecord::default();
    let mut state = State::default();
    // Output between two steps belongs to the next: a background job's.
    let mut between: Vec<u8> = Vec::new();
    let mut section = Section::Other;
    for piece in Pieces::new(nonce, console) {
        let (words, text) = match piece {
            Piece::Note(words) => (words, None),
            Piece::Text(text) => (Vec::new(), Some(text)),
        };
        if let Some(text) = text {
            let listing = match section {
                Section::Step => match record.steps.last_mut() {
                    Some(PlayedStep {
                        output, end: None, ..
                    }) => {
                        output.extend_from_slice(text);
                        continue;
                    }
                    _ => {
                        between.extend_from_slice(text);
                        continue;
                    }
                },
                Section::Modules => &mut state.modules,
                Section::Threads => &mut state.threads,
                Section::Proc => &mut state.proc,
                Section::Taint => &mut state.taint,
                Section::Kmemleak => record.kmemleak.get_or_insert_default(),
                Section::Trace => record.trace.get_or_insert_default(),
                Section::Other => continue,
            };
            listing.push_str(&String::from_utf8_lossy(text));
            continue;
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        section = Section::Other;
        match words[..] {
            ["begin", at] => record.began = at.parse().ok(),
            ["jiffies", jiffies, _] => record.jiffies = jiffies.parse().ok(),
            ["modules", _] => section = Section::Modules,
            ["threads", _] => section = Section::Threads,
            ["proc", _] => section = Section::Proc,
            ["taint", _] => section = Section::Taint,
            ["ready", _] => {
                record.before = Some(std::mem::take(&mut state));
                section = Section::Step;
            }
            ["step", number, "begin", _, at] => {
                section = Section::Step;
                if number.parse() == Ok(record.steps.len() + 1) {
                    record.steps.push(PlayedStep {
                        begin: at.parse().unwrap_or(0.0),
                        output: std::mem::take(&mut between),
                        end: None,
                    });
                }
            }
            ["step", number, "end", status, at] => {
                section = Section::Step;
                let expected = number.parse() == Ok(record.steps.len());
                if let (true, Some(step), Ok(status), Ok(at)) = (
                    expected,
                    record.steps.last_mut(),
                    status.parse(),
                    at.parse(),
                ) {
                    step.end = step.end.or(Some(StepEnd { status, at }));
                }
            }
            ["section", module, section_name, size, address, _] => {
                section = Section::Step;
                if let (Some(address), Ok(size)) = (hex(address), size.parse()) {
                    let (module, section) = (module.to_owned(), section_name.to_owned());
                    record.sections.push(CodeSection {
                        module,
                        section,
                        address,
                        size,
                    });
                }
            }
            ["unchecked", what, _] => record.unchecked.push(what.to_owned()),
            ["kmemleak", _] => {
                record.kmemleak = Some(String::new());
                section = Section::Kmemleak;
            }
            ["trace", _] => {
                record.trace = Some(String::new());
                section = Section::Trace;
            }
            ["shell", status, _] => record.shell = status.parse().ok(),
            // Output that is under way goes on: the guest is not gone yet.
            ["timeout", at] => {
                record.timeout = at.parse().ok();
                section = Section::Step;
            }
            ["end", _] => {
                record.after = Some(std::mem::take(&mut state));
                record.ended = true;
            }
            _ => section = Section::Step,
        }
    }
    record
}

enum Section {
    Step,
    Modules,
    Threads,
    Proc,
    Taint,
    Kmemleak,
    Trace,
    Other,
}

/// The number in `0xffffffffc0000000`.
fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

enum Piece<'a> {
    /// The words after the nonce.
    Note(Vec<String>),
    /// What is between two notes.
    Text(&'a [u8]),
}

/// Cuts a console into notes and what is between them.
struct Pieces<'a> {
    nonce: &'a [u8],
    rest: &'a [u8],
    at_line_start: bool,
}

impl<'a> Pieces<'a> {
    fn new(nonce: &'a str, console: &'a [u8]) -> Self {
        Self {
            nonce: nonce.as_bytes(),
            rest: console,
            at_line_start: true,
        }
    }

    /// Is the rest, at a line's start, a note that is all there?
    fn note(&self) -> Option<(&'a [u8], &'a [u8])> {
        let after = self.rest.strip_prefix(self.nonce)?.strip_prefix(b" ")?;
        let end = after.iter().position(|byte| *byte == b'\n')?;
        Some((&after[..end], &after[end + 1..]))
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.at_line_start
            && let Some((note, rest)) = self.note()
        {
            self.rest = rest;
            let note = String::from_utf8_lossy(note);
            return Some(Piece::Note(
                note.split_whitespace().map(str::to_owned).collect(),
            ));
        }
        if self.rest.is_empty() {
            return None;
        }
        // Text goes up to the next `\n` that a note follows.
        let all = self.rest;
        let mut from = 0;
        loop {
            let Some(newline) = all[from..].iter().position(|byte| *byte == b'\n') else {
                self.rest = &[];
                return Some(Piece::Text(all));
            };
            let after = from + newline + 1;
            self.rest = &all[after..];
            if self.note().is_some() {
                self.at_line_start = true;
                return Some(Piece::Text(&all[..after - 1]));
            }
            from = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSOLE: &str = "\
\nN0 begin 2.50

N0 jiffies 4294893000 2.50
\nN0 modules 2.51\nkernel_thing 1 0 - Live 0x0\n
N0 threads 2.52\n2 (kthreadd) S 0\n
N0 proc 2.53\n/proc/irq\n
N0 taint 2.54\n0\n
N0 ready 2.55

N0 step 1 begin 0 2.60
out
N0 step 1 end 3 2.70

N0 section x .text 16384 0xffffffffc0000000 2.70

N0 step 2 begin 3 2.80
whole

N0 step 2 end 0 2.90

N0 shell 0 3.00

N0 trace 3.05
# tracer: nop
          <idle>-0       [000] d..2.     2.900000: sched_switch: and so on

N0 modules 3.1

N0 threads 3.2

N0 proc 3.3

N0 taint 3.4
4096

N0 unchecked kmemleak 3.4

N0 kmemleak 3.4
unreferenced object 0xffff888003b2c000 (size 64):
  comm \"insmod\", pid 60, jiffies 4294894000

N0 end 3.5
";

    #[test]
    fn notes_and_output_are_told_apart() {
        let record = read("N0", CONSOLE.as_bytes());
        assert_eq!(record.began, Some(2.5));
        let before = record.before.unwrap_or_default();
        assert_eq!(before.modules, "kernel_thing 1 0 - Live 0x0\n");
        assert_eq!(before.threads, "2 (kthreadd) S 0\n");
        assert_eq!(before.proc, "/proc/irq\n");
        assert_eq!(before.taint, "0\n");
        assert_eq!(record.steps.len(), 2);
        assert_eq!(record.steps[0].output, b"out");
        assert_eq!(record.steps[0].end.map(|end| end.status), Some(3));
        assert_eq!(record.steps[1].output, b"whole\n");
        assert_eq!(record.shell, Some(0));
        let section = CodeSection {
            module: "x".to_owned(),
            section: ".text".to_owned(),
            address: 0xffff_ffff_c000_0000,
            size: 16384,
        };
        assert_eq!(record.sections, [section]);
        assert_eq!(record.unchecked, ["kmemleak"]);
        assert_eq!(record.jiffies, Some(4_294_893_000));
        let leaks = record.kmemleak.unwrap_or_default();
        assert_eq!(leaks.lines().count(), 2, "{leaks}");
        let trace = record.trace.unwrap_or_default();
        assert_eq!(trace.lines().count(), 2, "{trace}");
        assert_eq!(record.after.unwrap_or_default().taint, "4096\n");
        assert!(record.ended);
    }

    #[test]
    fn imitations_and_halves_are_output() {
        let console = b"\nN0 ready 1\n\nN0 step 1 begin 0 1.0\n\
            N1 step 1 end 0 1.0\n x N0 step 1 end 0 1.0\nN0step 1 end 0 1.0\n\
            \xff\xfe\0\nN0 step 7 end 0 1.0\nN0 step 1 end x 1.0\nN0 step 1 end 0";
        let record = read("N0", console);
        assert_eq!(record.steps.len(), 1);
        assert!(record.steps[0].end.is_none());
        assert!(record.steps[0].output.starts_with(b"N1 step 1 end 0 1.0\n"));
        assert!(record.steps[0].output.ends_with(b"N0 step 1 end 0"));
    }

    #[test]
    fn long_lines_and_every_cut_are_read() {
        let long = format!(
            "\nN0 ready 1\n\nN0 step 1 begin 0 1\n{}",
            "x".repeat(100 << 10)
        );
        assert_eq!(read("N0", long.as_bytes()).steps[0].output.len(), 100 << 10);
        for cut in 0..CONSOLE.len() {
            let record = read("N0", &CONSOLE.as_bytes()[..cut]);
            assert!(!record.ended);
        }
    }

    #[test]
    fn a_background_job_speaks_in_the_step_it_disturbs() {
        let console = b"\nN0 ready 1\n\nN0 step 1 begin 0 1\n\nN0 step 1 end 0 1\nlate\n\
            \nN0 step 2 begin 0 2\nout\n\nN0 step 2 end 0 2\n";
        assert_eq!(read("N0", console).steps[1].output, b"late\nout\n");
    }
}
