//! The pages of exercises: the task with its hints folded, and the solution on a page of its own.

use xtask::exercise::Exercise;

use crate::code_page;

/// The heading of the hints in a task's text.
const HINTS: &str = "\n## Hints\n";

/// Returns the path of the page with the task.
pub fn path(exercise: &Exercise) -> String {
    format!("exercises/{}.md", name(exercise))
}

/// Returns the path of the page with the solution.
pub fn solution_path(exercise: &Exercise) -> String {
    format!("solutions/{}.md", name(exercise))
}

fn name(exercise: &Exercise) -> String {
    exercise.id.replace('/', "-")
}

/// Returns the markdown of the task as a student gets it, with the hints folded.
pub fn task(exercise: &Exercise) -> String {
    let text = exercise
        .task
        .student_text(&exercise.task.variants.defaults(), false);
    let task = match text.markdown.split_once(HINTS) {
        Some((task, _)) => task.trim_end(),
        None => text.markdown.trim_end(),
    };
    let mut page = boxed(task, exercise);
    if !exercise.task.hints.written.is_empty() {
        page += "## Hints\n\n";
    }
    let variants = &exercise.task.variants;
    for (number, hint) in (1..).zip(&exercise.task.hints.written) {
        page += &format!(
            "<details class=\"hint\"><summary>Hint {number}</summary>\n\n{}\n\n</details>\n\n",
            variants.fill(hint.trim(), &variants.defaults())
        );
    }
    page
}

/// Returns the line that leads from the task's page to the solution's.
pub fn link_to_solution(exercise: &Exercise) -> String {
    let path = solution_path(exercise);
    format!("[The solution](../{path}) is on a page of its own.\n")
}

/// Returns the task with a box below its heading: points, minutes, and the command that begins it.
fn boxed(task: &str, exercise: &Exercise) -> String {
    let (heading, rest) = task.split_once('\n').unwrap_or((task, ""));
    let minutes = match exercise.task.minutes {
        Some(minutes) => format!(", about {minutes} minutes"),
        None => String::new(),
    };
    format!(
        "{heading}\n\n<div class=\"exercise\">\n\n{} points{minutes}. `kmodlab learn` makes the file to fill \
         in; `kmodlab check {}` tests it.\n\n</div>\n{rest}\n\n",
        exercise.task.points(),
        exercise.slug()
    )
}

/// Returns the markdown of the solution.
pub fn solution(exercise: &Exercise) -> String {
    let mut page = format!(
        "# {}: the solution\n\nThe task is [here](../{}).\n\n",
        exercise.task.title,
        path(exercise)
    );
    let variants = &exercise.task.variants;
    for (language, solution) in &exercise.solutions {
        let (word, file) = (language.name(), exercise.answer_file(*language));
        let text = solution.filled(variants, &variants.defaults());
        page += &format!("## {file} {{#{word}}}\n\n");
        page += &code_page::listing(&text, word, word);
    }
    page
}
