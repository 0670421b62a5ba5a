//! Attributes the errors of one kbuild run to the modules that it builds.
//!
//! With `make --output-sync=target` the output of each target is contiguous, and ends with make's
//! own line about the target if it failed:
//!
//! ```text
//!   CC [M]  /work/lessons/x/c/x.o
//! /work/lessons/x/c/x.c:7:9: error: use of undeclared identifier 'nothing'
//! make[3]: *** [scripts/Makefile.build:234: /work/lessons/x/c/x.o] Error 1
//! ERROR: modpost: "nope" [/work/y.ko] undefined!
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use super::project_paths::ProjectPaths;
use crate::failure::Fault;
use crate::process::{CompilerLimits, SANDBOX_FAILED};

/// Maximum number of lines of a compiler's output that are kept for a module.
const MAX_LINES: usize = 100;

/// Folders of modules in the folder that kbuild works in.
const FOLDERS: [&str; 3] = ["lessons", "races", "tools"];

/// Phrases in the output of a compiler that the host stopped, or that has a bug.
const HOST_PHRASES: [&str; 12] = [
    SANDBOX_FAILED,
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "Input/output error",
    "Cannot allocate memory",
    "Too many open files",
    "LLVM ERROR: ",
    // The driver's, which knows no source: it could not start the compiler or write a file.
    "clang: error: ",
    "PLEASE submit a bug report",
    "error: internal compiler error",
    "the compiler unexpectedly panicked",
];

/// The errors of one module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ModuleErrors {
    /// The party at fault: the lesson if a compiler refused the source, the host if a compiler
    /// crashed or could not write its result.
    pub fault: Fault,
    /// The lines of the compilers' output.
    pub lines: Vec<String>,
    /// Number of lines that were left out.
    pub left_out: usize,
}

/// Reads kbuild's output line by line.
#[derive(Debug)]
pub(super) struct Attribution<'a> {
    /// The folder that kbuild works in, with a slash at the end.
    work: String,
    /// The path of that folder's files in messages, with a slash at the end.
    shown: String,
    names: Vec<&'a str>,
    /// The folders of a project, whose name is the first.
    project: Option<ProjectPaths>,
    /// The compilers' output since the last line of kbuild or make.
    pending: Vec<String>,
    left_out: usize,
    errors: BTreeMap<&'a str, ModuleErrors>,
}

impl<'a> Attribution<'a> {
    /// Starts to read the output of a run in the folder `work` that builds these modules.
    pub(super) fn new(work: &Path, names: &[&'a str]) -> Self {
        Self {
            work: format!("{}/", work.display()),
            shown: "modules/".to_owned(),
            names: names.to_vec(),
            project: None,
            pending: Vec::new(),
            left_out: 0,
            errors: BTreeMap::new(),
        }
    }

    /// Starts to read the output of a run in the folder `work` that builds the project `name`,
    /// whose files lie in `sources` and are named below `shown` in messages.
    pub(super) fn of_project(work: &Path, sources: &Path, name: &'a str, shown: &str) -> Self {
        Self {
            shown: format!("{shown}/"),
            project: Some(ProjectPaths::new(work, sources)),
            ..Self::new(work, &[name])
        }
    }

    /// Reads a line.
    pub(super) fn line(&mut self, line: &str) {
        if is_kbuild(line) {
            self.clear();
        } else if is_make(line) {
            if let Some((target, end)) = failed_target(line)
                && let Some(name) = self.module_of(target)
            {
                self.blame(name, end);
            } else if let Some(target) = target_without_rule(line)
                && let Some(name) = self.module_of(target)
            {
                let target = target.strip_prefix(&self.work).unwrap_or(target);
                let source = target.strip_suffix(".o").unwrap_or(target);
                self.clear();
                self.keep(format!(
                    "{}{source}: error: the source file does not exist",
                    self.shown
                ));
                self.blame(name, "Error 1");
            }
            self.clear();
        } else if self.project.is_some() && line.contains(": *** ") {
            // make cannot read the project's Kbuild.
            self.keep(format!("error: {line}"));
            if let Some(name) = self.names.first() {
                self.blame(name, "Error 1");
            }
        } else if let Some(error) = line.strip_prefix("ERROR: modpost: ")
            && let Some(name) = self.module_in(error)
        {
            let kept = std::mem::take(&mut self.pending);
            self.keep(line.to_owned());
            self.blame(name, "Error 1");
            self.pending = kept;
        } else {
            self.keep(line.to_owned());
        }
    }

    /// Returns the errors of each module that has some.
    pub(super) fn errors(self) -> BTreeMap<&'a str, ModuleErrors> {
        self.errors
    }

    fn clear(&mut self) {
        self.pending.clear();
        self.left_out = 0;
    }

    fn keep(&mut self, line: String) {
        if self.pending.len() < MAX_LINES {
            // clang prints absolute paths, rustc paths relative to the folder.
            if let Some(paths) = &self.project {
                self.pending.push(paths.shown(&line, &self.shown));
                return;
            }
            let line = line.replace(&self.work, &self.shown);
            let line = line
                .replace("--> lessons/", "--> modules/lessons/")
                .replace("::: lessons/", "::: modules/lessons/")
                .replace("--> races/", "--> modules/races/")
                .replace("::: races/", "::: modules/races/");
            self.pending.push(line);
        } else {
            self.left_out += 1;
        }
    }

    /// Adds the pending lines to the errors of a module. `end` is how make says that the tool
    /// ended, such as `Error 1` or `Killed`.
    fn blame(&mut self, name: &'a str, end: &str) {
        let lines = std::mem::take(&mut self.pending);
        let refused = end
            .strip_prefix("Error ")
            .and_then(|status| status.parse::<u32>().ok())
            // From 126 on: the shell could not start the tool, or a signal ended it.
            .is_some_and(|status| status < 126);
        let is_hosts = |line: &String| HOST_PHRASES.iter().any(|phrase| line.contains(phrase));
        // A tool that only fails, such as kbuild's fixdep on a full disk, says nothing of a source.
        let by_host =
            !refused || !lines.iter().any(|line| is_diagnostic(line)) || lines.iter().any(is_hosts);
        let limit = limit_exceeded(end, &lines);
        let by_host = by_host && limit.is_none();
        let errors = self.errors.entry(name).or_insert_with(|| ModuleErrors {
            fault: Fault::Lesson,
            lines: Vec::new(),
            left_out: 0,
        });
        if by_host {
            errors.fault = Fault::Host;
            if lines.is_empty() || !refused {
                errors.lines.push(format!("the compiler ended with: {end}"));
            }
        }
        // A compiler that has no memory prints addresses, which differ from run to run.
        let lines = match limit {
            None => lines,
            Some(limit) => {
                self.left_out = 0;
                vec![limit]
            }
        };
        let room = MAX_LINES.saturating_sub(errors.lines.len());
        errors.left_out += std::mem::take(&mut self.left_out) + lines.len().saturating_sub(room);
        errors.lines.extend(lines.into_iter().take(room));
    }

    /// Returns the module that a target belongs to: `lessons/x/c/x.o`, `x.o` or `x.mod.o`.
    fn module_of(&self, target: &str) -> Option<&'a str> {
        if let Some(paths) = &self.project {
            let name = self.names.first().copied();
            return name.filter(|_| paths.is_target(target));
        }
        let path = target.strip_prefix(&self.work).unwrap_or(target);
        let name = match path.split_once('/') {
            Some((folder, rest)) if FOLDERS.contains(&folder) => rest.split('/').next()?,
            Some(_) => return None,
            None => path.split('.').next()?,
        };
        self.names.iter().find(|known| **known == name).copied()
    }

    /// Returns the module that an error of modpost names: by its file, or after the word `module`.
    fn module_in(&self, error: &str) -> Option<&'a str> {
        let is_separator = |letter: char| letter.is_whitespace() || "[]\"',:".contains(letter);
        let words: Vec<&str> = error
            .split(is_separator)
            .filter(|word| !word.is_empty())
            .collect();
        let is_file = |word: &str| {
            word.starts_with(&self.work) || word.ends_with(".ko") || word.ends_with(".o")
        };
        let mut before = "";
        words.into_iter().find_map(|word| {
            let named = is_file(word) || before == "module";
            before = word;
            named.then(|| self.module_of(word)).flatten()
        })
    }
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
fn is_diagnostic(line: &str) -> bool {
    line.starts_with("error")
        || line.contains(": error: ")
        // A bare `#error` has no text after the colon.
        || line.ends_with(": error:")
        || line.contains("ERROR: ")
        || line.contains(": fatal error: ")
}

/// Reports whether a line is make's own: `make[3]: *** …`.
fn is_make(line: &str) -> bool {
    line.starts_with("make: ") || line.starts_with("make[")
}

/// Reports whether a line is kbuild's name of a command: `  CC [M]  x.o`.
fn is_kbuild(line: &str) -> bool {
    let word = line
        .strip_prefix("  ")
        .and_then(|rest| rest.split(' ').next());
    word.is_some_and(|word| {
        let is_capital = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        word.len() > 1 && word.bytes().all(is_capital)
    })
}

/// Reports whether a line of kbuild's output is a compiler's.
pub(super) fn is_compilers(line: &str) -> bool {
    !is_make(line) && !is_kbuild(line)
}

/// Returns the target that failed, and how its tool ended.
fn failed_target(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(": *** [")?;
    let (target, end) = rest.rsplit_once("] ")?;
    let (_, target) = target.rsplit_once(": ").unwrap_or(("", target));
    Some((target, end))
}

/// Returns the target that make has no rule for.
fn target_without_rule(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("*** No rule to make target '")?;
    rest.split('\'').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors<'a>(names: &[&'a str], output: &str) -> BTreeMap<&'a str, ModuleErrors> {
        let mut attribution = Attribution::new(Path::new("/w/k"), names);
        output.lines().for_each(|line| attribution.line(line));
        attribution.errors()
    }

    fn refused(lines: &[&str]) -> ModuleErrors {
        ModuleErrors {
            fault: Fault::Lesson,
            lines: lines.iter().map(ToString::to_string).collect(),
            left_out: 0,
        }
    }

    #[test]
    fn an_error_without_text_is_the_sources_fault() {
        let output = "\
/w/k/lessons/a/c/a.c:2:2: error:
make[3]: *** [/s/Makefile.build:1: /w/k/lessons/a/c/a.o] Error 1";
        assert_eq!(errors(&["a"], output)["a"].fault, Fault::Lesson);
    }

    #[test]
    fn a_compiler_that_exceeds_a_limit_is_the_sources_fault() {
        for (output, expected) in [
            (
                "make[3]: *** [/s/Makefile.build:1: /w/k/lessons/a/a.o] Error 152",
                "error: the compiler took more than 60 s of CPU time",
            ),
            (
                "LLVM ERROR: out of memory\n\
                 make[3]: *** [/s/Makefile.build:1: /w/k/lessons/a/a.o] Error 134",
                "error: the compiler needs more than 2048 MiB of memory",
            ),
        ] {
            let errors = errors(&["a"], output);
            assert_eq!(errors["a"].fault, Fault::Lesson, "{output}");
            assert!(errors["a"].lines.contains(&expected.to_owned()), "{output}");
        }
        // The host's kernel killed it.
        let killed = "make[3]: *** [/s/Makefile.build:1: /w/k/lessons/a/a.o] Error 137";
        assert_eq!(errors(&["a"], killed)["a"].fault, Fault::Host);
    }

    /// The output of kbuild 6.12 and clang 19, and of rustc 1.85.
    #[test]
    fn a_compilers_errors_are_attributed_by_the_target_that_failed() {
        let output = "\
warning: the compiler differs from the one used to build the kernel
  CC [M]  /w/k/lessons/good/c/good.o
/w/k/lessons/good/c/good.c:1:2: warning: unused
  CC [M]  /w/k/lessons/bad/c/bad.o
/w/k/lessons/bad/c/bad.c:2:130: error: use of undeclared identifier 'nothing'
    2 | int x = nothing;
      |         ^
1 error generated.
make[3]: *** [/s/scripts/Makefile.build:234: /w/k/lessons/bad/c/bad.o] Error 1
  RUSTC [M] /w/k/races/rusty/rusty.o
error[E0425]: cannot find value `x` in this scope
 --> races/rusty/rusty.rs:9:5
   |
   = note: a note
make[3]: *** [/s/scripts/Makefile.build:300: /w/k/races/rusty/rusty.o] Error 1
make[3]: *** No rule to make target '/w/k/lessons/none/c/none.o', needed by '/w/k/none.o'.
  LD [M]  /w/k/good.o
make[3]: Target '/w/k/' not remade because of errors.
make[2]: *** [/s/Makefile:2008: /w/k] Error 2
make: *** [Makefile:236: __sub-make] Error 2";
        let errors = errors(&["good", "bad", "rusty", "none"], output);
        let bad = [
            "modules/lessons/bad/c/bad.c:2:130: error: use of undeclared identifier 'nothing'",
            "    2 | int x = nothing;",
            "      |         ^",
            "1 error generated.",
        ];
        let rusty = [
            "error[E0425]: cannot find value `x` in this scope",
            " --> modules/races/rusty/rusty.rs:9:5",
            "   |",
            "   = note: a note",
        ];
        let none = ["modules/lessons/none/c/none: error: the source file does not exist"];
        let wanted = [
            ("bad", refused(&bad)),
            ("rusty", refused(&rusty)),
            ("none", refused(&none)),
        ];
        assert_eq!(errors, BTreeMap::from(wanted));
    }

    #[test]
    fn errors_of_modpost_are_attributed_by_the_module_that_they_name() {
        let output = "\
  MODPOST /w/k/Module.symvers
WARNING: modpost: missing MODULE_DESCRIPTION() in /w/k/fine.o
ERROR: modpost: missing MODULE_LICENSE() in /w/k/nolic.o
ERROR: modpost: \"fine\" [/w/k/undefined.ko] undefined!
ERROR: modpost: GPL-incompatible module closed.ko uses GPL-only symbol 'fine'
ERROR: modpost: module space uses symbol fine from namespace X, but does not import it.
ERROR: modpost: /w/k/twice: 'fine' exported twice. Previous export was in vmlinux
make[3]: *** [/s/scripts/Makefile.modpost:145: /w/k/Module.symvers] Error 1";
        let names = ["fine", "nolic", "undefined", "closed", "space", "twice"];
        let errors = errors(&names, output);
        let blamed: Vec<&str> = errors.keys().copied().collect();
        assert_eq!(blamed, ["closed", "nolic", "space", "twice", "undefined"]);
        assert_eq!(
            errors["undefined"],
            refused(&["ERROR: modpost: \"fine\" [modules/undefined.ko] undefined!"])
        );
    }

    #[test]
    fn a_compiler_that_crashed_or_could_not_write_is_the_hosts_fault() {
        for (line, end) in [
            ("LLVM ERROR: IO failure on output stream", "Error 1"),
            (
                "fatal error: error in backend: No space left on device",
                "Error 1",
            ),
            ("error: internal compiler error: x", "Error 101"),
            ("x.c:1:1: error: x", "Segmentation fault (core dumped)"),
            ("Bus error", "Error 135"),
            ("fixdep: not all data was written to the output", "Error 2"),
            ("clang: error: unable to make temporary file", "Error 1"),
            ("/bin/sh: 1: clang: not found", "Error 127"),
            ("  CC [M]  /w/k/x.mod.o", "Error 1"),
        ] {
            let output = format!("{line}\nmake[3]: *** [/s/m:1: /w/k/lessons/x/c/x.o] {end}");
            let errors = errors(&["x"], &output);
            assert_eq!(errors["x"].fault, Fault::Host, "{line} {end}");
            assert!(!errors["x"].lines.is_empty(), "{line} {end}");
        }
        assert!(errors(&["x"], "make: *** [Makefile:236: __sub-make] Error 2").is_empty());
    }

    #[test]
    fn a_long_output_is_cut() {
        let output = "x.c:1:1: error: x\n".repeat(10_000) + "make[3]: *** [m:1: /w/k/x.o] Error 1";
        let errors = errors(&["x"], &output);
        assert_eq!(
            (errors["x"].lines.len(), errors["x"].left_out),
            (100, 9_900)
        );
    }

    #[test]
    fn everything_in_the_folder_of_a_project_is_the_projects() {
        let of = |output: &str| {
            let (work, sources) = (Path::new("/w/k"), Path::new("/w/k/src"));
            let mut attribution = Attribution::of_project(work, sources, "x", "./x");
            output.lines().for_each(|line| attribution.line(line));
            attribution.errors().remove("x")
        };
        let errors = |lines: &[&str]| ModuleErrors {
            fault: Fault::Lesson,
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
            left_out: 0,
        };
        let compiler = "\
/w/k/src/a.c:4:9: error: use of undeclared identifier
make[4]: *** [/s/scripts/Makefile.build:234: /w/k/src/a.o] Error 1
make[3]: *** [/s/Makefile:1947: /w/k] Error 2
make[2]: *** [/s/Makefile:224: __sub-make] Error 2
";
        let expected = errors(&["./x/a.c:4:9: error: use of undeclared identifier"]);
        assert_eq!(of(compiler), Some(expected));
        let modpost = "\
ERROR: modpost: \"nowhere\" [/w/k/x.ko] undefined!
make[3]: *** [/s/scripts/Makefile.modpost:145: /w/k/Module.symvers] Error 1
";
        let expected = errors(&["ERROR: modpost: \"nowhere\" [./x/x.ko] undefined!"]);
        assert_eq!(of(modpost), Some(expected));
        let rust = "\
error[E0425]: cannot find value
 --> a.rs:9:5
::: /kernel/rust/kernel/lib.rs:1:1
make[4]: *** [/s/scripts/Makefile.build:234: /w/k/src/a.o] Error 1
";
        let expected = errors(&[
            "error[E0425]: cannot find value",
            " --> ./x/a.rs:9:5",
            "::: /kernel/rust/kernel/lib.rs:1:1",
        ]);
        assert_eq!(of(rust), Some(expected));
        let kbuild = "/w/k/Kbuild:2: *** missing separator.  Stop.\n";
        let expected = errors(&["error: ./x/Kbuild:2: *** missing separator.  Stop."]);
        assert_eq!(of(kbuild), Some(expected));
        assert_eq!(
            of("make[2]: *** [/s/Makefile:224: __sub-make] Error 2\n"),
            None
        );
    }
}
