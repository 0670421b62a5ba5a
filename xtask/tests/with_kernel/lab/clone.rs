//! Copies of the clone, with lessons that a test writes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::xtask::{XtaskOutput, run, xtask};

/// A module that does nothing.
pub const MODULE: &str = r#"// SPDX-License-Identifier: GPL-2.0
use kernel::prelude::*;

module! {
    type: Probe,
    name: "probe",
    authors: ["kmodlab"],
    description: "Does nothing",
    license: "GPL",
}

struct Probe;

impl kernel::Module for Probe {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Probe)
    }
}
"#;

/// A C twin of [`MODULE`], which prints a line.
pub const TWIN: &str = r#"// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>

static int __init probe_init(void)
{
	pr_info("this is C\n");
	return 0;
}

static void __exit probe_exit(void)
{
}

module_init(probe_init);
module_exit(probe_exit);

MODULE_LICENSE("GPL");
"#;

/// Returns the original clone's folder.
pub fn original() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Returns a lesson's text with this console block, which begins in line 4.
pub fn text(name: &str, console: &str) -> String {
    format!("# About {name}\n\n```console\n{console}```\n")
}

/// A copy of the parts of the clone that xtask uses, in a temporary folder.
pub struct TestClone {
    folder: tempfile::TempDir,
}

/// The parts that every guest needs, each with the folder that it is in. The agent and its protocol
/// are the same as in the original, so the agent comes from the cache.
const GUEST: [(&str, &str); 8] = [
    ("kernel-config", ""),
    ("initramfs", ""),
    ("modules/Kbuild", "modules"),
    ("modules/kernel_ext", "modules"),
    ("modules/tools", "modules"),
    ("xtask/protocol", "xtask"),
    ("Cargo.toml", ""),
    ("Cargo.lock", ""),
];

impl TestClone {
    /// Copies these parts of the clone, each into a folder of the copy.
    fn of(parts: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let clone = Self { folder };
        for (part, folder) in parts {
            let folder = clone.path(folder);
            std::fs::create_dir_all(&folder)?;
            let copied = Command::new("cp")
                .arg("-r")
                .args([&original().join(part), &folder])
                .status()?;
            ensure!(copied.success(), "cp failed on {part}");
        }
        Ok(clone)
    }

    /// Copies all parts.
    pub fn whole() -> Result<Self> {
        let others = GUEST.into_iter().filter(|(_, folder)| *folder != "modules");
        Self::of(&others.chain([("modules", "")]).collect::<Vec<_>>())
    }

    /// Makes a clone with these lessons, each with [`MODULE`] and a console block.
    pub fn with_lessons(lessons: &[(&str, &str)]) -> Result<Self> {
        let clone = Self::of(&GUEST)?;
        for (name, console) in lessons {
            std::fs::create_dir_all(clone.lesson(name))?;
            let kernel_name = name.replace('-', "_");
            let module = MODULE.replace("\"probe\"", &format!("\"{kernel_name}\""));
            clone.write_lesson(name, &format!("{name}.rs"), &module)?;
            clone.write_lesson(name, "README.md", &text(name, console))?;
        }
        Ok(clone)
    }

    /// Makes a clone with one lesson, `probe`, and its console block.
    pub fn probe(console: &str) -> Result<Self> {
        Self::with_lessons(&[("probe", console)])
    }

    /// Makes a clone with these modules of `modules/tests` as its lessons.
    pub fn with_tests(tests: &[&str]) -> Result<Self> {
        Self::with_folders("modules/tests", tests)
    }

    /// Makes a clone with these folders of `parent` as its lessons.
    fn with_folders(parent: &str, names: &[&str]) -> Result<Self> {
        let folders: Vec<String> = names
            .iter()
            .map(|name| format!("{parent}/{name}"))
            .collect();
        let lessons = folders
            .iter()
            .map(|folder| (folder.as_str(), "modules/lessons"));
        Self::of(&GUEST.into_iter().chain(lessons).collect::<Vec<_>>())
    }

    /// Makes a clone with these of the original lessons, and other console blocks.
    pub fn with_texts(lessons: &[(&str, &str)]) -> Result<Self> {
        let names: Vec<_> = lessons.iter().map(|(name, _)| *name).collect();
        let clone = Self::with_folders("modules/lessons", &names)?;
        for (name, console) in lessons {
            clone.write_lesson(name, "README.md", &text(name, console))?;
        }
        Ok(clone)
    }

    /// Returns a path in the clone.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Returns the folder of a lesson.
    pub fn lesson(&self, name: &str) -> PathBuf {
        self.path("modules/lessons").join(name)
    }

    /// Writes a file of a lesson.
    pub fn write_lesson(&self, name: &str, file: &str, text: &str) -> Result<()> {
        let path = self.lesson(name).join(file);
        std::fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// Adds a C twin to a lesson.
    pub fn add_twin(&self, name: &str, twin: &str) -> Result<()> {
        std::fs::create_dir(self.lesson(name).join("c"))?;
        self.write_lesson(name, &format!("c/{name}.c"), twin)
    }

    /// Returns an xtask that runs on the clone.
    pub fn xtask(&self, args: &[&str]) -> Command {
        xtask(self.folder.path(), args)
    }

    /// Runs xtask on the clone to its end.
    pub fn run(&self, args: &[&str]) -> Result<XtaskOutput> {
        run(&mut self.xtask(args))
    }
}
