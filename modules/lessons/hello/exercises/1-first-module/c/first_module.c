// SPDX-License-Identifier: GPL-2.0
/*
 * A first module of your own.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>

static unsigned char times = 1;
module_param(times, byte, 0444);
MODULE_PARM_DESC(times, "How often to greet");

static void greet(void)
{
	// TODO 1: write `Hello, kernel` to the log, with pr_info().
	//@ 1 {
	pr_info("Hello, kernel\n");
	//@ 1 }
}

static int __init first_module_init(void)
{
	// TODO 3: call greet() as often as the parameter `times` says.
	//@ 3 {
	for (int i = 0; i < times; i++)
		greet();
	//@ 3 } instead: greet();
	return 0;
}

static void __exit first_module_exit(void)
{
	// TODO 2: write `Goodbye, kernel` to the log.
	//@ 2 {
	pr_info("Goodbye, kernel\n");
	//@ 2 }
}

module_init(first_module_init);
module_exit(first_module_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("A first module of my own");
MODULE_LICENSE("GPL");
