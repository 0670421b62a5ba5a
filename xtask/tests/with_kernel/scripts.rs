//! `qemu` without a person, the guest's own `insmod`, and the variables for one's own make.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::lab::{TestProject, XtaskOutput, run_piped};

/// A module in C whose `init` reports itself and fails.
const FAILS: &str = "#include <linux/module.h>
static int __init own_init(void)
{
\tpr_info(\"init runs\\n\");
\treturn -ENODEV;
}
module_init(own_init);
static void __exit own_exit(void)
{
}
module_exit(own_exit);
MODULE_LICENSE(\"GPL\");
MODULE_DESCRIPTION(\"A test\");
";

/// Runs `qemu` on the project with this standard input.
fn piped(project: &TestProject, input: &str) -> Result<XtaskOutput> {
    run_piped(
        &mut project.command(&["qemu", "./own", "--accel", "tcg"]),
        input,
    )
}

#[test]
fn qemu_runs_its_input_from_the_first_byte_to_the_last_status() -> Result<()> {
    let project = TestProject::new(&[("own.c", FAILS)])?;
    let output = piped(&project, "echo first $((6 * 7))\nls own.ko\n(exit 7)\n")?;
    output.expect(7, &["first 42\n", "own.ko\n"])?;
    // No newline at the end, and no command at all.
    piped(&project, "false\ntrue")?.expect(0, &[])?;
    piped(&project, "")?.expect(0, &[])?;
    piped(&project, "(exit 3)\npoweroff\n")?.expect(3, &[])?;
    let lost = piped(&project, "busybox reboot -f\n")?;
    lost.expect(1, &["the guest ended before its commands did"])?;
    let args = ["qemu", "./own", "--accel", "tcg", "--run", "insmod own.ko"];
    let output = project.xtask(&args)?;
    // ENODEV.
    output.expect(19, &["insmod: can't insert 'own.ko': No such device"])
}

#[test]
fn insmod_runs_a_failing_init_once() -> Result<()> {
    let project = TestProject::new(&[("own.c", FAILS)])?;
    let run = "insmod own.ko; test $? = 19 && test $(dmesg | grep -c 'init runs') = 1";
    let output = project.xtask(&["test", "./own", "--run", run])?;
    output.expect(0, &["1 passed"])?;
    // The kernel logs why it refuses a file that is not a module.
    let allow = "[test]\nallow = [\"Invalid ELF header*\"]\n";
    project.write("kmodlab.toml", allow)?;
    for (file, message, status) in [
        ("nothing.ko", "No such file or directory", 254),
        ("/etc/passwd", "invalid module format", 8),
    ] {
        let run = format!(
            "test \"$(insmod {file} 2>&1)\" = \"insmod: can't insert '{file}': {message}\"; \
             a=$?; insmod {file}; test $a$? = 0{status}"
        );
        let output = project.xtask(&["test", "./own", "--run", &run])?;
        output.expect(0, &["1 passed"])?;
    }
    Ok(())
}

#[test]
fn ones_own_make_builds_with_the_printed_variables() -> Result<()> {
    let makefile = "obj-m := own.o\nmodules:\n\t$(MAKE) -C $(KDIR) M=$(CURDIR) modules\n";
    let project = TestProject::new(&[("own.c", FAILS), ("Makefile", makefile)])?;
    let output = project.xtask(&["env", "own"])?;
    output.expect(0, &["KDIR=/", "\nLLVM=/", "\nRUSTC=/"])?;
    let variables = output.stdout.split_whitespace();
    let made = Command::new("make")
        .current_dir(&project.path)
        .args(variables)
        .arg("modules")
        .output()?;
    ensure!(
        made.status.success() && project.path.join("own.ko").is_file(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    Ok(())
}

#[test]
fn a_guest_can_have_modules_of_several_folders() -> Result<()> {
    let project = TestProject::of("two_files")?;
    let loads = FAILS.replace("-ENODEV", "0");
    let other = project.folder.path().join("other");
    std::fs::create_dir(&other)?;
    std::fs::write(other.join("other.c"), &loads)?;
    let run = "insmod startstop.ko && modprobe other && modprobe kthread_run && lsmod | wc -l";
    let qemu = |more: &[&str]| {
        let common = ["qemu", "./two_files", "./other", "--accel", "tcg", "--run"];
        project.xtask(&[&common[..], more].concat())
    };
    // A line of titles and one for each module.
    qemu(&[run, "kthread_run"])?.expect(0, &["\n4\n"])?;
    // A third folder has a module of the same name.
    let twin = project.folder.path().join("twin");
    std::fs::create_dir(&twin)?;
    std::fs::write(twin.join("other.c"), loads.replace("init runs", "another"))?;
    let refused = qemu(&["true", "./twin"])?;
    refused.expect(
        2,
        &["other and twin have different files for /root/other.ko"],
    )
}
