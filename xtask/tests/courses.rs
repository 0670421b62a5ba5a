//! Mistakes of a teacher are found before a kernel is built or a guest runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

/// A new course, with an empty cache, so that a command that needs a kernel fails.
struct NewCourse(tempfile::TempDir);

impl NewCourse {
    fn new() -> Result<Self> {
        let course = Self(tempfile::tempdir()?);
        course.expect(&["course", "new", "course"], 0, &["created course"])?;
        Ok(course)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Runs a command beside the course, and returns the exit status and both outputs.
    fn run(&self, args: &[&str]) -> Result<(Option<i32>, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(args)
            .current_dir(self.0.path())
            .env("KMODLAB_WORKSPACE", root)
            .env("KMODLAB_CACHE", self.path("cache"))
            .env_remove("COMMIT_URL")
            .output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok((
            output.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        ))
    }

    fn expect(&self, args: &[&str], status: i32, parts: &[&str]) -> Result<String> {
        let (code, text) = self.run(args)?;
        ensure!(code == Some(status), "{args:?}: {code:?}\n{text}");
        for part in parts {
            ensure!(text.contains(part), "{args:?}: no `{part}` in\n{text}");
        }
        Ok(text)
    }
}

#[test]
fn a_format_that_lacks_something_is_refused_before_a_guest_runs() -> Result<()> {
    let course = NewCourse::new()?;
    let source = course.path("ann/course_hello.c");
    std::fs::create_dir(course.path("ann"))?;
    std::fs::write(source, "")?;
    let grade = "grade --course course/course.toml --exercise 1-hello --student ann --in ann \
         --out results --kernel-source nowhere --no-install --format csv --format classroom50";
    let args: Vec<&str> = grade.split_whitespace().collect();
    let problem = "--format classroom50: the variable COMMIT_URL is not set";
    course.expect(&args, 2, &[problem])?;
    course.expect(&[&args[..], &["--sandbox"]].concat(), 2, &[problem])?;
    Ok(())
}

#[test]
fn another_kernel_than_the_courses_is_refused_before_a_build() -> Result<()> {
    let course = NewCourse::new()?;
    let pin = |pin: &str| -> Result<()> {
        let text = std::fs::read_to_string(course.path("course/course.toml"))?;
        std::fs::write(
            course.path("pinned.toml"),
            format!(
                "folder = \"course\"\nkey = \"course/course.key\"\n{}\n[kernel]\n{pin}\n",
                text.replace("key = ", "# ")
            ),
        )?;
        Ok(())
    };
    let check = ["course", "check", "pinned.toml", "--no-install", "--kernel"];
    let hand_out = "course hand-out --course pinned.toml --student ann --out ann";
    let hand_out: Vec<&str> = hand_out.split(' ').collect();
    let submission = course.path("submission");
    std::fs::create_dir(&submission)?;
    let grade = "grade --course pinned.toml --exercise 1-hello --student ann --in submission --out \
         results --no-install --kernel";
    let grade: Vec<&str> = grade.split_whitespace().collect();
    pin("name = \"6.99\"")?;
    let unknown = "pinned.toml: [kernel]: there is no kernel 6.99; there are: 6.12";
    course.expect(&[&check[..], &["6.12"]].concat(), 2, &[unknown])?;
    course.expect(&[&grade[..], &["6.12"]].concat(), 2, &[unknown])?;
    course.expect(&hand_out, 2, &[unknown])?;
    ensure!(!course.path("ann").exists());
    for pinned in ["name = \"6.12\"", "version = \"6.12.117\""] {
        pin(pinned)?;
        let other = [
            "--kernel 7.3: pinned.toml pins the kernel 6.12",
            "leave out",
        ];
        course.expect(&[&check[..], &["7.3"]].concat(), 2, &other)?;
        course.expect(&[&grade[..], &["7.3"]].concat(), 2, &other)?;
    }
    Ok(())
}

#[test]
fn a_course_has_the_exercises_of_its_own_folder() -> Result<()> {
    let course = NewCourse::new()?;
    let file = course.path("course/course.toml");
    let text = std::fs::read_to_string(&file)?;
    let id = "proc_counter/2-visits";
    let more =
        format!("{text}\n[[exercise]]\nid = \"{id}\"\n[[exercise]]\nid = \"week9/1-gone\"\n");
    std::fs::write(&file, more)?;
    let parts = [
        "course/course.toml: proc_counter/2-visits is an exercise of kmodlab, there is no exercise week9/1-gone; ",
        "a course with exercises in its folder (course) has no others",
        "mkdir -p course/proc_counter && cp -r /",
    ];
    let check = "course check course --no-install --kernel 6.12";
    let check: Vec<&str> = check.split(' ').collect();
    let printed = course.expect(&check, 2, &parts)?;
    ensure!(printed.matches("week9/1-gone").count() == 1, "{printed}");
    let hand_out = "course hand-out --course course --student ann --out ann";
    let hand_out: Vec<&str> = hand_out.split(' ').collect();
    course.expect(&hand_out, 2, &parts)?;
    course.expect(
        &[&hand_out[..], &["--exercise", "visits"]].concat(),
        2,
        &["mkdir -p"],
    )?;
    course.expect(
        &[&hand_out[..], &["--exercise", "hello"]].concat(),
        0,
        &["wrote ann"],
    )?;

    // Without exercises of its own, a course has all of kmodlab's.
    let lone = "title = \"T\"\n[[exercise]]\nid = \"a/1-b\"\n";
    std::fs::create_dir(course.path("lone"))?;
    std::fs::write(course.path("lone/course.toml"), lone)?;
    let lone = "course check lone --no-install --kernel 6.12";
    let lone: Vec<&str> = lone.split(' ').collect();
    course.expect(
        &lone,
        2,
        &["lone/course.toml: there is no exercise a/1-b; "],
    )?;

    // The command makes the course whole.
    std::fs::write(&file, format!("{text}\n[[exercise]]\nid = \"{id}\"\n"))?;
    let printed = course.expect(&check, 2, &[])?;
    let copy = printed.lines().find(|line| line.contains("cp -r"));
    let copied = Command::new("sh")
        .args(["-c", copy.unwrap_or("false")])
        .current_dir(course.0.path())
        .status()?;
    ensure!(copied.success());
    let hand_out = "course hand-out --course course --student bob --out bob";
    let hand_out: Vec<&str> = hand_out.split(' ').collect();
    course.expect(&hand_out, 0, &["wrote bob"])?;
    ensure!(course.path("bob").join(id).join("task.md").is_file());
    Ok(())
}
