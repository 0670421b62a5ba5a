//! Failures of a project: their places, and the guest in which a person goes on from there.

use anyhow::{Result, ensure};

use super::module;
use crate::lab::{TestProject, XtaskOutput, run};

#[test]
fn a_shell_begins_before_the_command_that_fails() -> Result<()> {
    let text = "# own\n\n```console\n$ insmod own.ko 2>&1 | grep mode\n? 1\n$ echo one\none\n\
                $ echo two\nthree\n$ rmmod own\n```\n";
    let files = [
        ("own.c", &*module("return 0;")),
        ("own.md", text),
        ("kmodlab.toml", "[test]\ntexts = [\"own.md\"]\n"),
    ];
    let project = TestProject::new(&files)?;
    let shell = |args: &[&str], input: &str| -> Result<XtaskOutput> {
        let mut xtask = project.command(args);
        let input_file = project.folder.path().join("input");
        std::fs::write(&input_file, input)?;
        xtask.stdin(std::fs::File::open(input_file)?);
        run(&mut xtask)
    };
    let output = shell(&["shell", "./own"], "lsmod | grep own\nexit 3\n")?;
    let parts = [
        "own (c): printed something else than the text says",
        "kmodlab:/root# echo one\none\n",
        "next in the text:\n  echo two\n  rmmod own\n",
        "own                    ",
    ];
    output.expect(3, &parts)?;
    ensure!(
        !output.stdout.contains("root# echo two"),
        "{}",
        output.stdout
    );

    // Without a text, the commands are those of its modules.
    project.write("kmodlab.toml", "")?;
    let parts = [
        "own (c) passes",
        "root# insmod own.ko",
        "next in the text:\n  rmmod own\n",
    ];
    let output = shell(&["qemu", "--at-failure", "./own"], "true\n")?;
    output.expect(0, &parts)?;
    let output = project.xtask(&["shell", "./own", "--timeline"])?;
    output.expect(2, &["./own is a folder"])?;
    // `reload` in such a guest adds this option.
    let output = project.xtask(&["shell", "./own", "--modules-into", "modules"])?;
    output.expect(0, &[])?;
    ensure!(project.folder.path().join("modules").is_file());
    Ok(())
}

/// The kernel cannot name the function that a work item calls after its module is gone.
#[test]
fn a_work_item_that_outlives_its_module_is_named_by_its_function() -> Result<()> {
    let source = "#include <linux/module.h>\n#include <linux/slab.h>\n#include <linux/workqueue.h>\n\
                  static void late(struct work_struct *unused)\n{\n\tpr_info(\"late\\n\");\n}\n\
                  static int __init own_init(void)\n{\n\
                  \tstruct delayed_work *work = kzalloc(sizeof(*work), GFP_KERNEL);\n\n\
                  \tif (!work)\n\t\treturn -ENOMEM;\n\
                  \tINIT_DELAYED_WORK(work, late);\n\tschedule_delayed_work(work, HZ / 2);\n\treturn 0;\n}\n\
                  module_init(own_init);\nstatic void __exit own_exit(void)\n{\n}\nmodule_exit(own_exit);\n\
                  MODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"A test\");\n";
    let project = TestProject::new(&[("own.c", source)])?;
    let run = "insmod own.ko && rmmod own && sleep 1";
    let output = project.xtask(&["test", "./own", "--run", run])?;
    let parts = [
        "own (c): the kernel crashed: ",
        " was at ./own/own.c:5, in late:\n",
        "Workqueue: events 0xffff",
        "  ./own/own.c:5 (of the unloaded module)\n",
    ];
    output.expect(1, &parts)
}

#[test]
fn a_message_that_looks_like_a_report_is_the_modules() -> Result<()> {
    let init = "pr_info(\"WARNING: low battery\\n\"); pr_err(\"BUG: %d left\\n\", 3); \
                return 0;";
    let project = TestProject::new(&[("own.c", &module(init))])?;
    let parts = ["own (c)  ok", "BUG: 3 left", "1 passed"];
    project.xtask(&["test", "./own"])?.expect(0, &parts)?;
    // The kernel prints this one.
    project.write(
        "own.c",
        &module("WARN(1, \"BUG: %d left\\n\", 3); return 0;"),
    )?;
    let output = project.xtask(&["test", "./own"])?;
    output.expect(1, &["kernel-report: the kernel reported: "])
}

#[test]
fn a_device_that_is_still_registered_is_named() -> Result<()> {
    let source = "#include <linux/fs.h>\n#include <linux/miscdevice.h>\n#include <linux/module.h>\n\
                  static const struct file_operations fops = { .owner = THIS_MODULE };\n\
                  static struct miscdevice device = {\n\t.minor = MISC_DYNAMIC_MINOR, .name = \"own\", \
                  .fops = &fops,\n};\n\
                  static int __init own_init(void)\n{\n\treturn misc_register(&device);\n}\n\
                  module_init(own_init);\nstatic void __exit own_exit(void)\n{\n}\nmodule_exit(own_exit);\n\
                  MODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"A test\");\n";
    let project = TestProject::new(&[("own.c", source)])?;
    let output = project.xtask(&["test", "./own"])?;
    output.expect(1, &["a device of misc_register() is still registered"])
}

/// The module hangs before it reaches an instruction where a schedule can delay it.
#[test]
fn a_module_that_hangs_at_once_hangs_under_schedules_too() -> Result<()> {
    let project =
        TestProject::new(&[("own.c", &module("for (;;)\n\t\tcpu_relax();\n\treturn 0;"))])?;
    let output = project.xtask(&["test", "./own", "--schedules", "2", "--no-narrow"])?;
    output.expect(1, &["hang: hung: ", "was at ./own/own.c:"])
}

/// A folder with two texts has its module once.
#[test]
fn a_folder_with_two_texts_has_one_module() -> Result<()> {
    let text = "# own\n\n```console\n$ insmod own.ko 2>&1 | grep x\n? 1\n$ rmmod own\n```\n";
    let files = [
        ("own.c", &*module("return 0;")),
        ("a.md", text),
        ("b.md", text),
        ("kmodlab.toml", "[test]\ntexts = [\"*.md\"]\n"),
    ];
    let project = TestProject::new(&files)?;
    let output = project.xtask(&["build", "./own"])?;
    output.expect(0, &["own.ko"])?;
    ensure!(
        output.stdout.matches("own.ko").count() == 1,
        "{}",
        output.stdout
    );
    let output = project.xtask(&["test", "./own", "--schedules", "1"])?;
    output.expect(0, &["2 passed, 0 failed"])?;
    let note = "the module that is loaded last";
    ensure!(!output.printed().contains(note), "{}", output.printed());

    // A text is not among the files that are compiled.
    project.write("b.md", &format!("{text}\nThe end.\n"))?;
    let output = project.xtask(&["test", "./own"])?;
    output.expect(0, &["2 passed, 0 failed"])?;
    ensure!(!output.stderr.contains("compiling"), "{}", output.stderr);
    let output = project.xtask(&["shell", "./own"])?;
    output.expect(
        0,
        &["all test cases pass, ", "next in the text:\n  rmmod own"],
    )
}

/// The console's level is for people; a complaint counts whatever it is.
#[test]
fn a_command_cannot_hide_the_kernels_messages() -> Result<()> {
    let text = "# own\n\n```console\n$ dmesg -n 1\n$ echo x > /dev/by_hand\n$ insmod own.ko nothing=1\n\
                $ rmmod own\n```\n";
    let manifest = "[test]\ntexts = [\"own.md\"]\n";
    let files = [
        ("own.c", &*module("return 0;")),
        ("own.md", text),
        ("kmodlab.toml", manifest),
    ];
    let project = TestProject::new(&files)?;
    let output = project.xtask(&["test", "./own"])?;
    let parts = ["kernel-report: the kernel reported: own: unknown parameter 'nothing' ignored"];
    output.expect(1, &parts)?;

    // Without the complaint, there is nothing to report: a file that a command made is not a device.
    project.write("own.md", &text.replace(" nothing=1", ""))?;
    project
        .xtask(&["test", "./own"])?
        .expect(0, &["own (c)  ok"])
}

#[test]
fn an_allowed_lack_of_memory_does_not_end_the_judgement() -> Result<()> {
    let text = "# own\n\n```console\n$ insmod own.ko\n$ tail /dev/zero\n? 137\n...\n$ echo x\ny\n$ rmmod own\n```\n";
    let manifest = "[test]\ntexts = [\"own.md\"]\nmemory = 64\nverdicts = [\"kernel-report\"]\n";
    let files = [
        ("own.c", &*module("return 0;")),
        ("own.md", text),
        ("kmodlab.toml", manifest),
    ];
    let output = TestProject::new(&files)?.xtask(&["test", "./own"])?;
    output.expect(1, &["mismatch: printed something else than the text says"])
}
