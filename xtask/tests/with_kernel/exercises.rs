//! Exercises: a small one of `xtask/tests/exercises`, its proofs, and the student's side.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use xtask::exercise::result::{CheckResult, HintSource, PartState};

use crate::lab::{TestClone, XtaskOutput, run, run_piped};

/// The lesson whose folder has the exercise and a common mistake.
const LESSON: &str = "kthread_run";

/// The exercise, in its folder.
const EXERCISE: &str = "1-counts";

/// A clone whose only exercise is the fixture, and a student's folder.
pub struct ExerciseLab {
    pub clone: TestClone,
    pub student: tempfile::TempDir,
}

impl ExerciseLab {
    pub fn new(language: &str) -> Result<Self> {
        let clone = TestClone::whole()?;
        let lessons = clone.path("modules/lessons");
        for entry in std::fs::read_dir(&lessons)? {
            let entry = entry?;
            for folder in ["exercises", "wrong"] {
                let folder = entry.path().join(folder);
                if folder.is_dir() {
                    std::fs::remove_dir_all(folder)?;
                }
            }
        }
        for entry in std::fs::read_dir(clone.path("modules/races"))? {
            let folder = entry?.path().join("exercises");
            if folder.is_dir() {
                std::fs::remove_dir_all(folder)?;
            }
        }
        let course = format!("[[exercise]]\nid = \"{LESSON}/{EXERCISE}\"\n");
        std::fs::write(clone.path("modules/course.toml"), course)?;
        let fixture = crate::lab::original().join("xtask/tests/exercises");
        for folder in ["exercises", "wrong"] {
            let copied = std::process::Command::new("cp")
                .arg("-r")
                .args([fixture.join(folder), clone.lesson(LESSON)])
                .status()?;
            ensure!(copied.success(), "cp failed on {folder}");
        }
        let lab = Self {
            clone,
            student: tempfile::tempdir()?,
        };
        let folder = lab.student.path().display().to_string();
        let made = lab.xtask(&["exercise", "init", &folder, "--lang", language])?;
        made.expect(0, &["has the exercises (1)"])?;
        Ok(lab)
    }

    /// Runs xtask in the student's folder.
    fn xtask(&self, args: &[&str]) -> Result<XtaskOutput> {
        run(&mut self.command(args))
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut xtask = self.clone.xtask(args);
        xtask
            .current_dir(self.student.path())
            .env("KMODLAB_WORKSPACE", self.clone.path(""));
        xtask
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.student.path().join(LESSON).join(EXERCISE).join(file)
    }

    /// Replaces a text in a file of the student's.
    fn edit(&self, file: &str, from: &str, to: &str) -> Result<()> {
        let path = self.path(file);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        ensure!(text.contains(from), "{file} has no {from:?}:\n{text}");
        Ok(std::fs::write(path, text.replace(from, to))?)
    }

    /// Writes a solution as the student's answer.
    pub fn solve(&self) -> Result<()> {
        let solution = self.xtask(&["solution", EXERCISE, "--anyway"])?;
        solution.expect(0, &[])?;
        Ok(std::fs::write(self.path("counts.rs"), solution.stdout)?)
    }

    /// Checks the answer, and returns the result.
    fn check(&self, status: i32) -> Result<CheckResult> {
        let output = self.xtask(&["check", "--json", "result.json"])?;
        output.expect(status, &["Counts (rust)"])?;
        let text = std::fs::read_to_string(self.student.path().join("result.json"))?;
        Ok(serde_json::from_str(&text)?)
    }
}

fn states(result: &CheckResult) -> Vec<PartState> {
    result.parts.iter().map(|part| part.state).collect()
}

#[test]
#[ignore = "takes a minute; ci/nightly runs it, and CI the same in C from a folder"]
fn an_exercise_is_proved_by_its_own_files() -> Result<()> {
    let lab = ExerciseLab::new("rust")?;
    let proved = lab.xtask(&["exercise", "prove", LESSON, "--quick"])?;
    proved.expect(
        0,
        &[
            "kthread_run/1-counts  rust",
            "kthread_run/1-counts  c",
            " 0 do not",
        ],
    )
}

#[test]
fn what_an_exercise_does_not_hold_is_shown() -> Result<()> {
    let lab = ExerciseLab::new("rust")?;
    let wrong = "exercises/1-counts/wrong/no-stop.rs.patch";
    let patch = std::fs::read_to_string(lab.clone.lesson(LESSON).join(wrong))?;
    let patch = patch.replace("verdict: hang", "verdict: panic");
    lab.clone.write_lesson(LESSON, wrong, &patch)?;
    let task = "exercises/1-counts/task.md";
    let text = std::fs::read_to_string(lab.clone.lesson(LESSON).join(task))?;
    let text = text.replace("counts: 1 of {{limit}}", "counts: 1 of 4");
    lab.clone.write_lesson(LESSON, task, &text)?;
    let proved = lab.xtask(&["exercise", "prove", EXERCISE, "--quick", "--lang", "rust"])?;
    let parts = [
        "wrong/no-stop:\n  it does not end with panic: `Loads` ends with hang",
        "solution:\n  `Counts` ends with mismatch",
        "task.md:",
    ];
    proved.expect(1, &parts)
}

#[test]
fn exercises_of_a_folder_are_proved_too() -> Result<()> {
    let lab = ExerciseLab::new("rust")?;
    let folder = lab.clone.lesson(LESSON).join("exercises").join(EXERCISE);
    let target = lab.student.path().join("mycourse");
    std::fs::create_dir(&target)?;
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args([&folder, &target])
        .status()?;
    ensure!(copied.success());
    let args = ["exercise", "prove", "./mycourse", "--quick", "--lang", "c"];
    lab.xtask(&args)?
        .expect(0, &["mycourse/1-counts  c", " 0 do not"])
}

#[test]
fn a_student_goes_from_the_first_failure_to_all_points() -> Result<()> {
    let lab = ExerciseLab::new("rust")?;
    lab.xtask(&["list"])?
        .expect(0, &["0 of 18", "0 of 1 exercises have passed"])?;
    let bare = lab.check(1)?;
    let expected = [PartState::Passed, PartState::Failed, PartState::NotRun];
    ensure!(states(&bare) == expected, "{:?}", states(&bare));
    ensure!((bare.points, bare.maximum) == (5, 18));
    let mismatch = bare.parts[1]
        .run
        .as_ref()
        .and_then(|run| run.mismatch.as_ref());
    ensure!(mismatch.is_some_and(|mismatch| mismatch.expected[0].contains("counts: 1 of 3")));
    // The line is that of the student's text.
    let step = bare.parts[1]
        .run
        .as_ref()
        .and_then(|run| run.failed_step.as_ref());
    let text = std::fs::read_to_string(lab.path("task.md"))?;
    let line = step.and_then(|step| text.lines().nth(step.line - 1));
    ensure!(
        line.is_some_and(|line| line.starts_with("$ dmesg")),
        "{line:?}"
    );

    lab.xtask(&["hint"])?.expect(0, &["hint 1:", "1 more"])?;
    let shown = lab.xtask(&["hint", "--shown"])?;
    shown.expect(0, &["hint 1:", "1 more"])?;
    lab.xtask(&["hint"])?.expect(0, &["hint 2:"])?;
    let all = lab.xtask(&["hint"])?;
    all.expect(0, &["hint 1:", "hint 2:", "these were all hints"])?;
    lab.xtask(&["reset", EXERCISE])?.expect(0, &[])?;
    let none = lab.xtask(&["hint", "--shown"])?;
    none.expect(0, &["no hint has been shown yet"])?;
    lab.xtask(&["hint"])?.expect(0, &["hint 1:", "1 more"])?;
    lab.xtask(&["solution", EXERCISE])?
        .expect(2, &["has not passed yet"])?;

    lab.solve()?;
    // The student's text decides nothing.
    lab.edit("task.md", "counts: 1 of 3", "counts: whatever")?;
    let passed = lab.check(0)?;
    ensure!((passed.points, passed.maximum) == (18, 18));
    let schedules = passed.parts[2].schedules.context("schedules")?;
    ensure!((schedules.requested, schedules.passed) == (4, 4));
    lab.xtask(&["list"])?
        .expect(0, &["passed  18 of 18", "1 of 1 exercises have passed"])?;
    lab.xtask(&["solution", EXERCISE])?
        .expect(0, &["kernel_ext"])
}

#[test]
fn a_wrong_answer_gets_the_hint_for_what_happened() -> Result<()> {
    let lab = ExerciseLab::new("rust")?;
    lab.solve()?;
    lab.edit("counts.rs", "while !ctx.should_stop()", "loop")?;
    let result = lab.check(1)?;
    let failed = result.failed_part().context("a part failed")?;
    ensure!((&*failed.title, &*failed.verdict) == ("Loads", "hang"));
    let hint = result.hints.first().context("a hint")?;
    ensure!((hint.source, &*hint.heading) == (HintSource::Verdict, "hang in kthread_stop"));
    let location = failed
        .run
        .as_ref()
        .and_then(|run| run.source_locations.first());
    let file = location.map(|location| &*location.file);
    ensure!(file == Some("kthread_run/1-counts/counts.rs"), "{file:?}");
    // Again, with the same failure: the hint was shown.
    lab.xtask(&["check", EXERCISE])?
        .expect(1, &["hint (hang in kthread_stop):", "FAIL"])
}

#[test]
fn a_compilers_message_has_the_students_path() -> Result<()> {
    let lab = ExerciseLab::new("rust")?;
    lab.edit("counts.rs", "let _ = limit;", "nothing();")?;
    let result = lab.check(1)?;
    ensure!(!result.compiles() && result.compile.error_code.as_deref() == Some("E0425"));
    let text = std::fs::read_to_string(lab.path("counts.rs"))?;
    let line = (1..)
        .zip(text.lines())
        .find(|(_, line)| line.contains("nothing();"));
    ensure!(result.compile.line == line.map(|(number, _)| number));
    ensure!(result.compile.file.as_deref() == Some("kthread_run/1-counts/counts.rs"));
    ensure!(states(&result) == [PartState::NotRun; 3]);
    lab.xtask(&["check"])?.expect(
        1,
        &["--> kthread_run/1-counts/counts.rs:", "0 of 18 points"],
    )?;

    // From the folder of the exercise.
    let mut xtask = lab.clone.xtask(&["check"]);
    xtask
        .current_dir(lab.path(""))
        .env("KMODLAB_WORKSPACE", lab.clone.path(""));
    run(&mut xtask)?.expect(1, &["--> ./counts.rs:"])?;

    lab.xtask(&["reset", EXERCISE])?
        .expect(0, &["counts.rs.1"])?;
    ensure!(std::fs::read_to_string(lab.path("counts.rs.1"))? == text);
    ensure!(!std::fs::read_to_string(lab.path("counts.rs"))?.contains("nothing"));
    Ok(())
}

#[test]
fn a_shell_without_a_terminal_ends_with_its_input() -> Result<()> {
    let lab = ExerciseLab::new("rust")?;
    let args = ["shell", EXERCISE, "2"];
    let shown = ["kmodlab:/root# insmod counts.ko\n", "\n  rmmod counts\n"];
    // The standard input is /dev/null.
    lab.xtask(&args)?.expect(0, &shown)?;
    let input = "lsmod | grep -c ^counts\n(exit 7)\n";
    let output = run_piped(&mut lab.command(&args), input)?;
    output.expect(7, &[shown[0], shown[1], "\n1\n"])
}

#[test]
fn a_common_mistake_of_a_lesson_happens() -> Result<()> {
    let lab = ExerciseLab::new("c")?;
    lab.xtask(&["break", LESSON])?
        .expect(0, &["no-stop", "The thread is never stopped"])?;
    let shown = lab.xtask(&["break", LESSON, "no-stop"])?;
    shown.expect(
        0,
        &[
            "kthread_run with the mistake `no-stop`, in C:",
            "The thread is never stopped",
            "kthread_run/c/kthread_run.c:",
            "$ rmmod kthread_run",
            "while",
        ],
    )?;
    lab.xtask(&["break", LESSON, "none"])?
        .expect(2, &["its mistakes are: no-stop"])?;
    lab.xtask(&["break", "nothing"])?
        .expect(2, &["does not exist"])?;
    Ok(())
}
