// SPDX-License-Identifier: GPL-2.0
/*
 * The smallest module that does something: it greets, takes its leave, and
 * fails on request.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>

static char whom[16] = "world";
module_param_string(whom, whom, sizeof(whom), 0444);
MODULE_PARM_DESC(whom, "Whom to greet");

static unsigned char fail;
module_param(fail, byte, 0444);
MODULE_PARM_DESC(fail, "The number of the error that init ends with; 0 for none");

static int __init hello_init(void)
{
	if (fail) {
		pr_err("init fails with error %d\n", fail);
		return -fail;
	}
	pr_info("Hello, %s\n", whom);
	return 0;
}

static void __exit hello_exit(void)
{
	pr_info("Goodbye, %s\n", whom);
}

module_init(hello_init);
module_exit(hello_exit);

MODULE_AUTHOR("Linux Usr");
MODULE_DESCRIPTION("Example of a first module");
MODULE_LICENSE("GPL");
