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
