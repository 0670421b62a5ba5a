//! Grading: right, half right, wrong and hostile submissions have the marks that they deserve.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use xtask::grading::allowed_imports::not_allowed;
use xtask::modules::{Language, imports_of};
use xtask::process::{has_landlock, which};

use crate::lab::{TestProject, XtaskOutput, original, run, xtask};

/// A new course, and folders for submissions and results.
struct Course(tempfile::TempDir);

impl Course {
    fn new() -> Result<Self> {
        let course = Self(tempfile::tempdir()?);
        let folder = course.path("course").display().to_string();
        let mut new = Command::new(env!("CARGO_BIN_EXE_xtask"));
        run(new.args(["course", "new", &folder]))?.expect(0, &["created"])?;
        Ok(course)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Writes the submissions of `ci/grading/submissions`, or of these files there, and returns the
    /// expected marks.
    fn submissions(&self, files: &[&str]) -> Result<Vec<(String, String, u64)>> {
        let output = Command::new(original().join("ci/grading/make-submissions"))
            .arg(self.path("course/course.toml"))
            .arg(self.path("submissions"))
            .arg("1")
            .args(files)
            .env("KMODLAB", env!("CARGO_BIN_EXE_xtask"))
            .env("KMODLAB_WORKSPACE", original())
            .output()?;
        let problem = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{problem}");
        let expected = String::from_utf8(output.stdout)?;
        let row = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                [student, status, points] => {
                    Ok((student.to_owned(), status.to_owned(), points.parse()?))
                }
                _ => anyhow::bail!("{line}"),
            }
        };
        expected.lines().map(row).collect()
    }

    /// Grades with these further arguments in the course's folder, on the kernel of the tests.
    fn grade(&self, args: &[&str]) -> Result<XtaskOutput> {
        let of_course = ["--course", "course.toml", "--exercise", "week1/1-hello"];
        let mut grade = xtask(original(), &["grade"]);
        grade.args(of_course).current_dir(self.path("course"));
        let more = std::env::var("KMODLAB_TEST_ARGS").unwrap_or_default();
        run(grade.args(args).args(more.split_whitespace()))
    }

    fn grade_one(&self, student: &str, out: &str, more: &[&str]) -> Result<Vec<u8>> {
        let folder = self.path("submissions").join(student);
        let [folder, out] = [folder, self.path(out)].map(|path| path.display().to_string());
        let args = ["--student", student, "--in", &folder, "--out", &out];
        self.grade(&[&args, more].concat())?.expect(0, &[])?;
        Ok(std::fs::read(Path::new(&out).join("result.json"))?)
    }
}

#[test]
#[ignore = "takes minutes; ci/nightly runs it"]
fn each_submission_has_the_mark_that_it_deserves() -> Result<()> {
    let course = Course::new()?;
    let expected = course.submissions(&[])?;
    ensure!(expected.len() > 30, "{} submissions", expected.len());
    let [folder, out] =
        ["submissions", "results"].map(|name| course.path(name).display().to_string());
    let args = ["--submissions", &folder, "--out", &out, "--format", "junit"];
    course.grade(&args)?.expect(0, &[])?;
    let mut wrong = Vec::new();
    for (student, status, points) in &expected {
        let result = course.path("results").join(student).join("result.json");
        let text = std::fs::read_to_string(&result).with_context(|| student.clone())?;
        let result: Value = serde_json::from_str(&text)?;
        if result["status"] != **status || result["points"] != *points {
            wrong.push(text);
        } else if has_landlock() && text.contains("root:") {
            wrong.push(format!("{student} has read /etc/passwd: {text}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A finished result is kept; of one that changed, the mark is made again.
    let right = course.path("submissions/right-c-1/course_hello.c");
    std::fs::write(&right, std::fs::read_to_string(&right)? + "\n#error\n")?;
    let again = course.grade(&args)?;
    again.expect(
        0,
        &["right-c-1: week1/1-hello: 0 of 10 points, does-not-compile"],
    )?;
    let kept = again.stdout.matches(", kept").count();
    ensure!(kept == expected.len() - 1, "{}", again.printed());
    let mut table = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let table = run(table.args(["grade", "table", &out]))?;
    table.expect(0, &["student,week1/1-hello (10),total", "half-rs-1,4,4"])
}

#[test]
fn two_runs_have_the_same_bytes_in_a_container_too() -> Result<()> {
    let course = Course::new()?;
    course.submissions(&["fixed_times.c.patch"])?;
    let first = course.grade_one("fixed_times-c-1", "first", &[])?;
    let text = String::from_utf8(first.clone())?;
    for path in [course.0.path(), original(), &std::env::temp_dir()] {
        let path = path.canonicalize()?.display().to_string();
        ensure!(!text.contains(&path), "{path}: {text}");
    }
    let recordings = std::fs::read_dir(course.path("first/recordings"))?;
    let recordings: Vec<PathBuf> = recordings
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    let [recording] = &recordings[..] else {
        bail!("one part fails: {recordings:?}");
    };
    let mut replay = Command::new(env!("CARGO_BIN_EXE_xtask"));
    run(replay.arg("replay").arg(recording))?.expect(0, &["the same to the byte"])?;
    ensure!(course.grade_one("fixed_times-c-1", "second", &["--no-recordings"])? == first);
    ensure!(!course.path("second/recordings").exists());
    if which("bwrap").is_some() {
        let sandboxed = course.grade_one("fixed_times-c-1", "third", &["--sandbox"])?;
        ensure!(sandboxed == first);
    }
    Ok(())
}

/// Proves the exercises of a course, without schedules.
fn check(course: &Course) -> Result<XtaskOutput> {
    let folder = course.path("course").display().to_string();
    let more = std::env::var("KMODLAB_TEST_ARGS").unwrap_or_default();
    let mut check = xtask(original(), &["course", "check", &folder, "--quick"]);
    run(check.args(more.split_whitespace()))
}

#[test]
#[ignore = "takes a minute; ci/nightly runs it"]
fn a_new_course_proves_itself() -> Result<()> {
    let proved = check(&Course::new()?)?;
    proved.expect(0, &["proofs hold, 0 do not", "the kernel is not pinned"])
}

#[test]
fn a_course_pins_its_kernel() -> Result<()> {
    let course = Course::new()?;
    let file = course.path("course/course.toml");
    let text = std::fs::read_to_string(&file)?;
    let image = "0".repeat(64);
    std::fs::write(&file, format!("{text}\n[kernel]\nimage = \"{image}\"\n"))?;
    check(&course)?.expect(69, &["the course pins the kernel's image 0000"])
}

#[test]
fn a_student_of_a_new_course_checks_an_answer() -> Result<()> {
    let course = Course::new()?;
    let folder = course.path("course").display().to_string();
    let student = course.path("ann");
    let out = student.display().to_string();
    let mut hand_out = Command::new(env!("CARGO_BIN_EXE_xtask"));
    hand_out.args([
        "course",
        "hand-out",
        "--course",
        &folder,
        "--student",
        "ann",
    ]);
    hand_out
        .args(["--out", &out])
        .env("KMODLAB_WORKSPACE", original());
    run(&mut hand_out)?.expect(0, &["wrote"])?;
    let answer = "week1/1-hello/course_hello.rs";
    // The course's key, and with it the student's word, is another one in each run.
    let skeleton = std::fs::read_to_string(student.join(answer))?;
    let word = skeleton
        .split('`')
        .nth(1)
        .context("the skeleton names the word")?;
    let solution = std::fs::read_to_string(course.path("course").join(answer))?;
    let solution = solution.replace("welcome", word);
    let check = |text: &str| {
        std::fs::write(student.join(answer), text)?;
        let mut checks = xtask(original(), &["check", "week1/1-hello"]);
        checks
            .current_dir(&student)
            .env("KMODLAB_WORKSPACE", original());
        run(&mut checks)
    };
    let refused = "the course gives no points for this answer";
    let right = check(&solution)?;
    right.expect(0, &["8 of 8 points"])?;
    ensure!(!right.stdout.contains(refused), "{}", right.printed());
    let hostile = solution + "\npub fn zero() -> u8 {\n    unsafe { core::mem::zeroed() }\n}\n";
    let line = hostile.lines().count() - 1;
    let reason = format!("{refused}: {answer}:{line}: `unsafe` is not allowed in a submission");
    check(&hostile)?.expect(0, &["8 of 8 points", &reason])
}

/// The proofs of a course include its rules for the symbols of modules, which only a build knows.
#[test]
fn a_solution_that_grading_would_refuse_is_not_proved() -> Result<()> {
    let course = Course::new()?;
    let folder = course.path("course/week1/1-hello");
    std::fs::remove_file(folder.join("course_hello.rs"))?;
    let task = std::fs::read_to_string(folder.join("task.md"))?;
    // The values that vary would only repeat the proof.
    let task = task.lines().filter(|line| !line.starts_with("vary."));
    let task = task.collect::<Vec<_>>().join("\n") + "\n";
    let task = task
        .replace("{{word}}", "welcome")
        .replace("{{times}}", "3");
    std::fs::write(folder.join("task.md"), task)?;
    let source = folder.join("c/course_hello.c");
    let text = std::fs::read_to_string(&source)?.replace(" //@ vary word", "");
    let text = text.replace(
        "\tpr_info(\"bye",
        "\tpr_debug(\"%p\", &init_pid_ns);\n\tpr_info(\"bye",
    );
    let text = text.replace(
        "#include <linux/printk.h>",
        "#include <linux/pid_namespace.h>",
    );
    std::fs::write(&source, text.replace("pr_debug(", "printk(KERN_DEBUG "))?;
    let reason = "week1/1-hello (c), solution:\n  \
                  the module uses `init_pid_ns`, which is not allowed in a submission";
    check(&course)?.expect(1, &[reason, "1 do not"])
}

/// The list of allowed symbols has those that ordinary functions need on the kernel of the tests. A
/// function that a newer kernel renames or makes a macro fails here, and belongs into the list under
/// both names.
#[test]
fn ordinary_functions_are_allowed_in_c() -> Result<()> {
    let project = TestProject::of("ordinary_calls")?;
    let more = std::env::var("KMODLAB_TEST_ARGS").unwrap_or_default();
    let mut build = project.command(&["build", "ordinary_calls"]);
    let built = run(build.args(more.split_whitespace()))?;
    built.expect(0, &["ordinary_calls.ko"])?;
    let mut lines = built.stdout.lines();
    let module = lines.find_map(|line| line.strip_prefix("module     "));
    let imports = imports_of(Path::new(module.context("no module is named")?))?;
    ensure!(imports.len() > 400, "only {} symbols", imports.len());
    let refused = not_allowed(imports.iter().map(String::as_str), Language::C, &[]);
    ensure!(refused.is_empty(), "not allowed: {}", refused.join(", "));
    Ok(())
}
