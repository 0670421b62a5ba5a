// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>

static int times = 1;
module_param(times, int, 0444);
MODULE_PARM_DESC(times, "The number of lines");

static int __init course_hello_init(void)
{
	for (int line = 1; line <= times; line++)
		pr_info("%d @word@\n", line);
	return 0;
}
module_init(course_hello_init);

static void __exit course_hello_exit(void)
{
	pr_info("bye\n");
}
module_exit(course_hello_exit);

MODULE_AUTHOR("A Student");
MODULE_DESCRIPTION("A module that prints a word several times");
MODULE_LICENSE("GPL");
