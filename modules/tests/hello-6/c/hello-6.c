// SPDX-License-Identifier: GPL-2.0
/*
 * A module with a dash in its file's name, which crashes.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/printk.h>

/* Not static: the compiler must not see what it is. */
int *hello_6_number;

static int __init hello_6_init(void)
{
	/* marker: dereference */
	pr_info("the number is %d\n", *READ_ONCE(hello_6_number));
	return 0;
}

static void __exit hello_6_exit(void)
{
}

module_init(hello_6_init);
module_exit(hello_6_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A dash in the name, and a crash");
MODULE_LICENSE("GPL");
