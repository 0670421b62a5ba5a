//! Tests with settings of their own in `kmodlab.toml`.

use anyhow::Result;

use crate::lab::TestProject;

/// A module in C that does nothing.
const EMPTY: &str = "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\n\
    MODULE_DESCRIPTION(\"A test\");\n";

#[test]
fn a_test_states_its_guest() -> Result<()> {
    let project = TestProject::new(&[("own.c", EMPTY)])?;
    let manifest = |test: &str| project.write("kmodlab.toml", &format!("[test]\n{test}\n"));
    let passes = |command: &str| {
        let output = project.xtask(&["test", "./own", "--run", command])?;
        output.expect(0, &["1 passed"])
    };
    manifest("cpus = 3\nmemory = 128\nparameters = [\"own.word=5\"]")?;
    passes("test $(grep -c ^processor /proc/cpuinfo) = 3")?;
    passes("test $(sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo) -lt 131072")?;
    passes("grep -q own.word=5 /proc/cmdline")?;
    manifest("limit = 5")?;
    let output = project.xtask(&["test", "./own", "--run", "sleep 10"])?;
    output.expect(
        1,
        &["hung: the test case exceeded its limit of 5 s (`limit` of `[test]` in kmodlab.toml)"],
    )
}

#[test]
fn a_wrong_setting_is_an_error() -> Result<()> {
    let project = TestProject::new(&[("own.c", EMPTY)])?;
    for (line, reason) in [
        ("[test]\ncpus = 0", "cpus = 0 is not from 1 to 8"),
        ("[test]\nmemory = 10", "memory = 10 is not from 64 to 65536"),
        ("[test]\nparameters = [\"a b\"]", "`a b` is not one word"),
        (
            "[test]\nverdicts = [\"mismatch\"]",
            "the verdict `mismatch` cannot be allowed",
        ),
        (
            "[test]\nallow = [\"*\"]",
            "a pattern of `allow` names a message",
        ),
    ] {
        project.write("kmodlab.toml", line)?;
        let output = project.xtask(&["test", "./own"])?;
        output.expect(1, &["./own/kmodlab.toml: ", reason])?;
    }
    Ok(())
}

#[test]
fn a_test_allows_what_it_provokes() -> Result<()> {
    let warns = EMPTY.to_owned()
        + "static int __init own_init(void)\n{\n\tWARN(1, \"on purpose\");\n\treturn 0;\n}\n\
           module_init(own_init);\nstatic void __exit own_exit(void)\n{\n}\nmodule_exit(own_exit);\n";
    let project = TestProject::new(&[("own.c", &warns)])?;
    project
        .xtask(&["test", "./own"])?
        .expect(1, &["on purpose"])?;
    // The taint mask and the count of warnings belong to the report.
    project.write("kmodlab.toml", "[test]\nverdicts = [\"kernel-report\"]\n")?;
    project
        .xtask(&["test", "./own"])?
        .expect(0, &["1 passed"])?;
    // The rest is judged all the same.
    let output = project.xtask(&["test", "./own", "--run", "insmod own.ko; rmmod own; false"])?;
    output.expect(1, &["a command ended with status 1"])?;
    let output = project.xtask(&["test", "./own", "--run", "insmod own.ko"])?;
    output.expect(1, &["left-over", "the module own is still loaded"])?;

    let unknown = TestProject::new(&[("own.c", EMPTY)])?;
    let run = ["test", "./own", "--run", "insmod own.ko nod=1 && rmmod own"];
    let message = "unknown parameter 'nod' ignored";
    unknown.xtask(&run)?.expect(1, &[message])?;
    unknown.write(
        "kmodlab.toml",
        "[test]\nallow = [\"*unknown parameter*\"]\n",
    )?;
    unknown.xtask(&run)?.expect(0, &["1 passed"])
}
