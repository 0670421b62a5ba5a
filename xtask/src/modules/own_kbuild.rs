//! Decides who is at fault if kbuild fails with a Kbuild of a project's own: it may run any command, and
//! may fail in any way.

use std::collections::VecDeque;

use super::attribution::ModuleErrors;
use super::kbuild_lines::{failed_target, is_kbuild, is_make};
use super::project_paths::ProjectPaths;
use super::tool_failure::{is_hosts, shows_host};
use crate::failure::Fault;

/// Number of the last lines that explain a failure which names no file of the project.
const LINES: usize = 20;

/// Words of make for a file that does not exist.
const NO_RULE: &str = "*** No rule to make target ";

/// The last lines of a kbuild run's output, and whether it shows a fault of the host.
#[derive(Debug)]
pub(super) struct KbuildOutput<'a> {
    paths: ProjectPaths,
    shown: &'a str,
    last: VecDeque<String>,
    shows_host: bool,
}

impl<'a> KbuildOutput<'a> {
    /// Starts to read the output. The project's files are named below `shown`, which ends with a slash.
    pub(super) fn new(paths: ProjectPaths, shown: &'a str) -> Self {
        Self {
            paths,
            shown,
            last: VecDeque::new(),
            shows_host: false,
        }
    }

    /// Reads a line.
    pub(super) fn line(&mut self, line: &str) {
        self.shows_host |=
            is_hosts(line) || failed_target(line).is_some_and(|(_, end)| shows_host(end));
        // Lines of make about its own targets and folders explain nothing.
        let is_projects =
            || failed_target(line).is_some_and(|(target, _)| self.paths.is_target(target));
        if is_kbuild(line) || is_make(line) && !line.contains(NO_RULE) && !is_projects() {
            return;
        }
        if self.last.len() == LINES {
            self.last.pop_front();
        }
        self.last.push_back(self.paths.shown(line, self.shown));
    }

    /// Reports whether the output shows that the host stopped a tool or a tool has a bug.
    pub(super) fn shows_host(&self) -> bool {
        self.shows_host
    }

    /// Returns the last lines as the errors of the project.
    pub(super) fn errors(&self) -> ModuleErrors {
        ModuleErrors {
            fault: Fault::Lesson,
            lines: self.last.iter().cloned().collect(),
            left_out: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(lines: &[&str]) -> (bool, Vec<String>) {
        let (work, sources) = (Path::new("/work"), Path::new("/work"));
        let mut output = KbuildOutput::new(ProjectPaths::new(work, sources), "./own/");
        for line in lines {
            output.line(line);
        }
        (output.shows_host(), output.errors().lines)
    }

    #[test]
    fn a_kbuild_that_fails_is_not_the_hosts_fault() {
        let lines = [
            "  CC [M]  /work/x.o",
            "/bin/sh: 1: Syntax error: Unterminated quoted string",
            "make[3]: *** [scripts/Makefile.build:287: /work/x.o] Error 2",
            "make[2]: *** [/tree/Makefile:2008: /work] Error 2",
            "make[1]: Leaving directory '/objects'",
        ];
        let (shows_host, last) = read(&lines);
        assert!(!shows_host);
        assert_eq!(last[0], lines[1]);
        assert_eq!(last.len(), 2, "{last:?}");
        assert!(!read(&["clang: error: unknown argument: '-fnothing'"]).0);
        assert!(!read(&["make[3]: *** [x:1: /work/x.o] Error 127"]).0);
    }

    #[test]
    fn a_stopped_tool_and_a_full_disk_are_the_hosts_fault() {
        for line in [
            "fatal error: error in backend: IO failure on output stream: No space left on device",
            "make[3]: *** [scripts/Makefile.build:287: /work/x.o] Killed",
            "make[3]: *** [scripts/Makefile.build:287: /work/x.o] Error 139",
        ] {
            assert!(read(&[line]).0, "{line}");
        }
    }
}
