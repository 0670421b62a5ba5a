//! Blocks that look like console blocks, and that no guest would run.

use super::{CONSOLE, shorten};

/// Info strings for sessions and shells. A block of these that shows a command behind a prompt
/// looks like one that is tested.
const SHELLS: [&str; 9] = [
    "",
    "bash",
    "bash-session",
    "sh",
    "sh-session",
    "shell",
    "shell-session",
    "shellsession",
    "terminal",
];

/// Message for a fence within a paragraph.
pub(super) const IN_PARAGRAPH: &str = "this console block is a part of the paragraph above it, so no guest runs it; put an empty line before it, and \
     begin its first line at the margin of the text around it";

/// Message for a fence in HTML.
pub(super) const IN_HTML: &str = "this console block is a part of the HTML above it, so no guest runs it; put an empty line between the HTML and \
     the block";

/// Returns the message for a fenced block with this info string that a reader takes for a console
/// block, but that no guest would run.
pub(super) fn fenced(info: &str, source: &str) -> Option<String> {
    let word = info.split([' ', ',', '{', '\t']).next().unwrap_or_default();
    let lower = word.to_lowercase();
    if lower.starts_with(CONSOLE) || strsim::damerau_levenshtein(&lower, CONSOLE) <= 2 {
        let info = shorten(info);
        return Some(format!(
            "this block is marked `{info}`, so no guest runs its commands; mark it `{CONSOLE}` and \
             nothing else, or `text` if it is not to be tested"
        ));
    }
    let (_, block) = source.split_once('\n')?;
    (begins_with_command(block) && SHELLS.contains(&&*lower)).then(|| {
        let marked = match word {
            "" => "not marked".to_owned(),
            word => format!("marked `{word}`"),
        };
        format!(
            "this block begins with a command but is {marked}, so no guest runs it; mark it \
             `{CONSOLE}`, or `text` if it is not to be tested"
        )
    })
}

/// Reports whether the first line of a block that is not empty is a command.
fn begins_with_command(block: &str) -> bool {
    let first = block.lines().find(|line| !line.trim().is_empty());
    first.is_some_and(|line| line.trim_start_matches([' ', '\t', '>']).starts_with("$ "))
}

/// Returns the message for an indented block that a reader takes for a console block.
pub(super) fn indented(source: &str) -> Option<&'static str> {
    if source.lines().any(is_fence) {
        return Some(
            "the first line of this console block is indented by four columns or more, so no guest runs it; begin \
             it at the margin of the text around it",
        );
    }
    begins_with_command(source).then_some(
        "this block is indented and begins with a command, so no guest runs it; put it between ```console and ``` \
         without the indentation, or between ```text and ``` if it is not to be tested",
    )
}

/// Reports whether a line of a source is the first of a console block.
pub(super) fn has_fence(source: &str) -> bool {
    source.lines().any(is_fence)
}

/// Returns the offset of the first line of a console block in HTML; one in a comment was left out on purpose.
pub(super) fn fence_in_html(html: &str) -> Option<usize> {
    let mut offset = 0;
    let mut in_comment = false;
    for line in html.split_inclusive('\n') {
        if !in_comment && is_fence(line) {
            return Some(offset);
        }
        let last = |mark: &str| line.rfind(mark);
        in_comment = match (last("<!--"), last("-->")) {
            (None, None) => in_comment,
            (begin, end) => begin > end,
        };
        offset += line.len();
    }
    None
}

fn is_fence(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t', '>']).trim_end();
    let info = line.trim_start_matches(['`', '~']);
    line.len() - info.len() >= 3 && info.trim_start() == CONSOLE
}
