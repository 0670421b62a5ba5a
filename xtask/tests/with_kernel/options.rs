//! Kernel options that a user adds to a profile.

use anyhow::{Result, ensure};

use crate::lab::TestProject;

/// A module in C with a file in debugfs. Without `DEBUG_FS`, the kernel's headers have stubs that
/// fail.
const DEBUGFS: &str = "#include <linux/debugfs.h>
#include <linux/module.h>

static struct dentry *file;

static int own_get(void *data, u64 *value)
{
	*value = 42;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(own_fops, own_get, NULL, \"%llu\\n\");

static int __init own_init(void)
{
	file = debugfs_create_file(\"own\", 0400, NULL, NULL, &own_fops);
	return PTR_ERR_OR_ZERO(file);
}
module_init(own_init);

static void __exit own_exit(void)
{
	debugfs_remove(file);
}
module_exit(own_exit);

MODULE_LICENSE(\"GPL\");
MODULE_DESCRIPTION(\"A test\");
";

/// Loads the module and reads its file.
const READ: &str = "insmod own.ko && grep -qx 42 /sys/kernel/debug/own && rmmod own";

#[test]
fn wrong_options_are_refused_by_name() -> Result<()> {
    let project = TestProject::new(&[("own.c", DEBUGFS), ("x.config", "DEBUG_FS\n")])?;
    for (option, value, reason) in [
        (
            "--option",
            "DEBUGFS",
            "has no option DEBUGFS; there is DEBUG_FS",
        ),
        ("--option", "KUNIT=m", "CONFIG_KUNIT=m would be a module"),
        ("--option", "a-b", "`a-b` is not an option"),
        ("--set", "usb", "`usb` is not a set of options"),
        ("--config", "no.config", "no.config cannot be read"),
        ("--config", "own/x.config", "own/x.config: line 1: "),
    ] {
        let output = project.xtask(&["test", "./own", option, value])?;
        output.expect(2, &[reason])?;
    }
    project.write("kmodlab.toml", "[kernel]\noptions = [\"DEBUGFS\"]\n")?;
    let reason = "./own/kmodlab.toml: Linux ";
    project.xtask(&["test", "./own"])?.expect(1, &[reason])
}

#[test]
#[ignore = "takes a minute; ci/nightly runs it"]
fn a_dropped_option_stops_the_build_with_its_dependency() -> Result<()> {
    let project = TestProject::new(&[("own.c", DEBUGFS)])?;
    let output = project.xtask(&["build", "own", "--option", "USB_GADGET"])?;
    let parts = [
        "CONFIG_USB_GADGET: y requested by --option, but it is n; it depends on ",
        "USB_SUPPORT is off",
    ];
    output.expect(2, &parts)
}

/// A stub compiles: only the note says why the module fails.
#[test]
fn calls_that_can_only_fail_are_named() -> Result<()> {
    let project = TestProject::new(&[("own.c", DEBUGFS)])?;
    let output = project.xtask(&["test", "./own"])?;
    let note = "own/own.c:15: debugfs_create_file() only returns an error in this kernel, for \
                CONFIG_DEBUG_FS is off (include/linux/debugfs.h:";
    ensure!(output.printed().contains(note), "{}", output.printed());
    let report = format!("note: ./{note}");
    output.expect(1, &["own (c)  FAILED"])?;
    let stdout = &output.stdout;
    ensure!(stdout.contains(&report), "not in the report: {stdout}");
    Ok(())
}

/// A driver whose registration `REGISTER` stands for.
const PCI_DRIVER: &str = "\
#include <linux/module.h>
#include <linux/pci.h>

static const struct pci_device_id ids[] = { { PCI_DEVICE(0x1234, 0x11e8) }, { } };

static int own_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	return 0;
}

static struct pci_driver driver = { .name = \"own\", .id_table = ids, .probe = own_probe };

REGISTER
MODULE_LICENSE(\"GPL\");
";

/// A driver of I2C without CONFIG_I2C.
const I2C_DRIVER: &str = "\
#include <linux/i2c.h>
#include <linux/module.h>

static struct i2c_driver driver = { .driver = { .name = \"own\" } };

module_i2c_driver(driver);
MODULE_LICENSE(\"GPL\");
";

/// Its registration without the macro.
const BY_HAND: &str = "\
static int __init own_init(void)
{
	return pci_register_driver(&driver);
}

static void __exit own_exit(void)
{
	pci_unregister_driver(&driver);
}

module_init(own_init);
module_exit(own_exit);";

#[test]
fn a_driver_without_a_bus_is_told_of_it() -> Result<()> {
    const REMEDY: &str =
        "`--machine q35`, or `machine = \"q35\"` in kmodlab.toml, gives the guest PCI";
    let by_hand = PCI_DRIVER.replace("REGISTER", BY_HAND);
    let project = TestProject::new(&[("own.c", &by_hand)])?;
    let output = project.xtask(&["test", "./own"])?;
    let note = "own/own.c:15: pci_register_driver() registers nothing in this kernel, for \
                CONFIG_PCI is off (include/linux/pci.h:";
    ensure!(output.printed().contains(note), "{}", output.printed());
    output.expect(0, &[REMEDY])?;

    let by_macro = PCI_DRIVER.replace("REGISTER", "module_pci_driver(driver);");
    let project = TestProject::new(&[("own.c", &by_macro)])?;
    let output = project.xtask(&["test", "./own"])?;
    output.expect(
        1,
        &[
            "does-not-compile",
            "module_pci_driver() does not exist",
            REMEDY,
        ],
    )
}

#[test]
fn a_driver_macro_that_a_header_does_not_define_is_explained() -> Result<()> {
    let project = TestProject::new(&[("own.c", I2C_DRIVER)])?;
    let output = project.xtask(&["test", "./own"])?;
    output.expect(
        1,
        &[
            "does-not-compile",
            "note: module_i2c_driver() does not exist in this kernel, for CONFIG_I2C is off; `--option I2C`",
        ],
    )
}

#[test]
#[ignore = "builds the kernel of another configuration"]
fn a_module_gets_the_options_that_it_asks_for() -> Result<()> {
    let project = TestProject::new(&[("own.c", DEBUGFS)])?;
    let without = project.xtask(&["test", "./own", "--run", READ])?;
    without.expect(1, &["a command ended with status "])?;
    let output = project.xtask(&["test", "./own", "--run", READ, "--profile", "parts"])?;
    output.expect(0, &["1 passed"])?;
    // The kernel is shared by all who ask for the same options.
    project.write("kmodlab.toml", "[kernel]\nsets = [\"parts\"]\n")?;
    let output = project.xtask(&["test", "./own", "--run", READ])?;
    output.expect(0, &["1 passed"])?;
    ensure!(
        !output.stderr.contains("compiling Linux"),
        "{}",
        output.stderr
    );
    Ok(())
}
