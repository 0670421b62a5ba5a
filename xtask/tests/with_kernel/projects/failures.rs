//! Failures of a project, and their places.

use anyhow::Result;

use super::module;
use crate::lab::TestProject;

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
