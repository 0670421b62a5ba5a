//! The warnings of a build of projects.

use super::kbuild_lines::is_compilers;
use super::project_paths::ProjectPaths;

/// The folder of the sources in kept warnings: the same project may be built from another folder.
pub(super) const HERE: &str = "\u{1}";

/// Maximum number of lines of warnings that are shown.
const MAX_LINES: usize = 60;

/// The warnings of a build that succeeds.
pub(super) struct Warnings {
    paths: ProjectPaths,
    /// The compilers' output since the last line of kbuild or make.
    pending: Vec<String>,
    /// The output of each target that has a warning, and kmodlab's notes.
    of_targets: Vec<Vec<String>>,
}

impl Warnings {
    pub fn new(paths: ProjectPaths) -> Self {
        Self {
            paths,
            pending: Vec::new(),
            of_targets: Vec::new(),
        }
    }

    pub fn line(&mut self, line: &str) {
        if is_compilers(line) {
            self.pending.push(self.paths.shown(line, HERE));
            return;
        }
        self.end();
    }

    /// Adds notes of kmodlab's own.
    pub fn add(&mut self, notes: Vec<String>) {
        self.end();
        self.of_targets
            .extend(notes.into_iter().map(|note| vec![note]));
    }

    /// Ends the output of a target.
    fn end(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let is_warning = |line: &String| line.contains("warning") || line.contains("WARNING");
        if pending.iter().any(is_warning) {
            self.of_targets.push(pending);
        }
    }

    /// Returns all warnings.
    pub fn text(mut self) -> String {
        self.end();
        text(self.of_targets.iter())
    }

    /// Returns the warnings of the targets whose output names the file with this stem, with any
    /// extension.
    pub fn text_of(&mut self, stem: &str) -> String {
        self.end();
        let (file, object) = (format!("{HERE}{stem}."), format!("/{stem}."));
        let names = |line: &String| line.contains(&file) || line.contains(&object);
        text(
            self.of_targets
                .iter()
                .filter(|lines| lines.iter().any(names)),
        )
    }
}

fn text<'a>(targets: impl Iterator<Item = &'a Vec<String>>) -> String {
    let lines: Vec<&str> = targets.flatten().map(String::as_str).collect();
    let shown = &lines[..lines.len().min(MAX_LINES)];
    match lines.len() - shown.len() {
        0 => shown.join("\n"),
        more => format!("{}\n... and {more} more lines", shown.join("\n")),
    }
}
