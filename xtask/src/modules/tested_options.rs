//! The compiler's options that kbuild tests, remembered for each kernel.
//!
//! Each run of kbuild calls the compiler some 30 times on an empty file, to know which options it takes
//! (`cc-option`, `as-instr` and others, all by `try-run` in scripts/Makefile.compiler). For a small module
//! that is half of the CPU time, and the answers depend on the kernel and the toolchain alone. kmodlab keeps them
//! as a makefile that make reads first: it answers the tests that it knows, by their whole command, and runs
//! the others.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::KIND;
use super::builder::{ModuleBuilder, write};
use crate::kernel::{self, KernelImage};
use crate::key::{Inputs, Key};
use crate::process::Tool;

/// How `try-run` begins in scripts/Makefile.compiler: from Linux 6.7 to 7.3 at least.
const TRY_RUN: &str = r#"try-run = $(shell set -e;		\
	TMP=$(TMPOUT)/tmp;		\
	trap "rm -rf $(TMPOUT)" EXIT;	\
	mkdir -p $(TMPOUT);		\
	if ($(1)) >/dev/null 2>&1;	\
	then echo "$(2)";		\
	else echo "$(3)";		\
	fi)
"#;

/// Makefile that runs each test and writes its status and its command to `$(kmodlab_tests)`. A variable with
/// `override` is not changed by the kernel's makefiles, which are read later.
const RECORD: &str = r#"kmodlab-status = $(shell set -e;		\
	TMP=$(TMPOUT)/tmp;		\
	trap "rm -rf $(TMPOUT)" EXIT;	\
	mkdir -p $(TMPOUT);		\
	($(1)) >/dev/null 2>&1 && echo 0 || echo $$?)
kmodlab-write = $(file >>$(kmodlab_tests),$(1) $(2))$(if $(filter 0,$(1)),$(3),$(4))
override try-run = $(call kmodlab-write,$(call kmodlab-status,$(1)),$(1),$(2),$(3))
"#;

/// Makefile that answers the tests of the lists `kmodlab-yes` and `kmodlab-no`. Others run, and the log of the
/// build says which.
const ANSWER: &str = "\
define kmodlab-newline


endef
kmodlab-is-in = $(findstring $(kmodlab-newline)$(1)$(kmodlab-newline),$(2))
kmodlab-run = $(info tests an option: $(1))$(call kmodlab-try-run,$(1),$(2),$(3))
kmodlab-no-or-run = $(if $(call kmodlab-is-in,$(1),$(kmodlab-no)),$(3),$(call kmodlab-run,$(1),$(2),$(3)))
override try-run = $(if $(call kmodlab-is-in,$(1),$(kmodlab-yes)),$(2),$(kmodlab-no-or-run))
";

/// File of an entry.
const FILE: &str = "tested_options.mk";

/// The makefile's words for the folders of a kernel, so that a cache in another folder can use it.
const FOLDERS: [&str; 2] = ["kmodlab_tree", "kmodlab_objects"];

/// Returns the name of the entry for a kernel with this label.
pub(super) fn entry_name(label: &str) -> String {
    format!("tested_options-{label}")
}

impl ModuleBuilder<'_> {
    /// Returns the key of the answers for this kernel, which has the toolchain in its own key.
    pub fn tested_options_key(&self) -> Key {
        Inputs::new(KIND)
            .text("kernel", self.image.key.as_str())
            .text("makefiles", [TRY_RUN, RECORD, ANSWER].concat())
            .key()
    }

    /// Returns the makefile with the answers for this kernel. If the cache does not have it, kbuild runs
    /// once on a folder without modules.
    ///
    /// # Errors
    ///
    /// Fails if the cache cannot be used, or if kbuild fails.
    pub fn tested_options(&self) -> Result<PathBuf> {
        let name = entry_name(&self.image.label());
        let key = self.tested_options_key();
        let made = self
            .session
            .cache
            .entry("modules", &name, &key, |staging| {
                write(&staging.join(FILE), &self.test_options()?)
            })?;
        Ok(made.path.join(FILE))
    }

    /// Adds the makefile of [`ModuleBuilder::tested_options`] to a run of make.
    pub fn with_tested_options(&self, make: Tool) -> Result<Tool> {
        let folders = folders(self.image);
        let make = make.env("MAKEFILES", self.tested_options()?);
        let named = FOLDERS.into_iter().zip(folders);
        Ok(named.fold(make, |make, (name, folder)| make.env(name, folder)))
    }

    /// Runs kbuild on a folder without modules, and returns the makefile with the answers; an empty one if
    /// this kernel's `try-run` is another one.
    fn test_options(&self) -> Result<String> {
        let KernelImage { tree, objects, .. } = self.image;
        let own = tree.join("scripts/Makefile.compiler");
        let own = std::fs::read_to_string(&own)
            .with_context(|| format!("cannot read {}", own.display()))?;
        if !own.contains(TRY_RUN) {
            return Ok(String::new());
        }
        let work_folder = self.session.cache.work_folder("tested_options")?;
        let work = work_folder.path();
        let [makefile, tests] = ["record.mk", "tests"].map(|file| work.join(file));
        write(&work.join("Kbuild"), "obj-m :=\n")?;
        write(&makefile, RECORD)?;
        write(&tests, "")?;
        kernel::make_modules(self.toolchain, (tree, objects), self.session.jobs, work)
            .env("MAKEFILES", makefile)
            .env("kmodlab_tests", &tests)
            .arg("modules")
            .run_logged(
                "testing the compiler's options",
                &self.log("tested_options")?,
                |_| {},
            )?;
        let tests = std::fs::read_to_string(&tests)
            .with_context(|| format!("cannot read {}", tests.display()))?;
        Ok(makefile_of(&tests, work, &folders(self.image)))
    }
}

/// Returns the folders of [`FOLDERS`] as kbuild names them.
fn folders(image: &KernelImage) -> [PathBuf; 2] {
    [&image.tree, &image.objects]
        .map(|folder| folder.canonicalize().unwrap_or_else(|_| folder.clone()))
}

/// Returns the makefile with the answers of these lines, `STATUS COMMAND`, but for those that name the folder
/// `work`. A compiler that refuses an option ends with 1, and one that is killed with another status: such a test is
/// not an answer.
fn makefile_of(tests: &str, work: &Path, folders: &[PathBuf; 2]) -> String {
    let work = work.display().to_string();
    let list = |answer: &str| {
        let commands = tests.lines().filter_map(|line| line.strip_prefix(answer));
        let mut list = String::new();
        for command in commands.filter(|command| !command.contains(&work)) {
            let mut command = command.replace('$', "$$");
            for (name, folder) in FOLDERS.iter().zip(folders) {
                command = command.replace(&folder.display().to_string(), &format!("$({name})"));
            }
            list += &format!("{command}\n");
        }
        list
    };
    let [yes, no] = ["0 ", "1 "].map(list);
    // A blank line before the first command and behind the last one: each stands between two newlines.
    format!(
        "define kmodlab-yes\n\n{yes}\nendef\ndefine kmodlab-no\n\n{no}\nendef\nkmodlab-{TRY_RUN}{ANSWER}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what make prints for a test of `command` with these recorded tests: the answer, behind the
    /// line of a test that runs.
    fn answer(tests: &str, command: &str) -> Result<String> {
        let folder = tempfile::tempdir()?;
        let folders = ["/tree", "/objects"].map(PathBuf::from);
        let makefile = folder.path().join("answers.mk");
        let text = makefile_of(tests, Path::new("/staging"), &folders);
        write(&makefile, &text)?;
        let kernels = folder.path().join("Makefile");
        let own = "TMPOUT = $(CURDIR)/.tmp\ntry-run = own\n\
            $(info $(call try-run,$(COMMAND),taken,refused))\nall: ;\n";
        write(&kernels, own)?;
        let printed = Tool::new("make")
            .args(["--silent", "-C"])
            .arg(folder.path())
            .arg(format!("COMMAND={}", command.replace('$', "$$")))
            .env("MAKEFILES", &makefile)
            .env("kmodlab_tree", "/elsewhere")
            .env("kmodlab_objects", "/objects")
            .output()?;
        Ok(printed.trim().to_owned())
    }

    #[test]
    fn a_known_test_is_answered_by_its_whole_command() -> Result<()> {
        // The answers are the opposite of what the commands would give.
        let tests = "0 false -Wa,--x /tree/=. -o \"$TMP\"\n1 true -o \"$TMP\"\n254 true x\n";
        for (command, expected) in [
            ("false -Wa,--x /elsewhere/=. -o \"$TMP\"", "taken"),
            ("true -o \"$TMP\"", "refused"),
        ] {
            assert_eq!(answer(tests, command)?, expected, "{command}");
        }
        // Others run: parts of a known command, and the same for another tree.
        for (command, expected) in [
            ("false", "refused"),
            ("false -Wa,--x /tree/=. -o \"$TMP\"", "refused"),
            ("true -o", "taken"),
            ("true x", "taken"),
            ("echo '#x' >\"$TMP\"", "taken"),
        ] {
            let expected = format!("tests an option: {command}\n{expected}");
            assert_eq!(answer(tests, command)?, expected);
        }
        Ok(())
    }

    #[test]
    fn a_test_that_names_the_work_folder_is_not_kept() {
        let folders = ["/tree", "/objects"].map(PathBuf::from);
        let makefile = makefile_of(
            "0 clang -o /staging/x\n0 clang -w\n",
            Path::new("/staging"),
            &folders,
        );
        assert!(makefile.contains("\nclang -w\n"), "{makefile}");
        assert!(!makefile.contains("/staging"), "{makefile}");
    }
}
