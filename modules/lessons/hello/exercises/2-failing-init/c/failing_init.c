// SPDX-License-Identifier: GPL-2.0
/*
 * A driver of a device that needs power and a clock, in this order.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>

static int speed = 10;
module_param(speed, int, 0444);
MODULE_PARM_DESC(speed, "The device's speed, from 1 to 100");

static bool clock = true;
module_param(clock, bool, 0444);
MODULE_PARM_DESC(clock, "Whether the machine has a clock for the device");

/* Takes a part of the machine; fails if it is not there. */
static int part_take(const char *name, bool there)
{
	if (!there) {
		pr_err("there is no %s\n", name);
		return -ENODEV;
	}
	pr_info("%s taken\n", name);
	return 0;
}

static void part_give_back(const char *name)
{
	pr_info("%s given back\n", name);
}

static int __init failing_init_init(void)
{
	int ret;

	// TODO 1: if the speed is not from 1 to 100, write `speed N is not from
	// 1 to 100` to the log as an error, and fail with `-EINVAL`.
	//@ 1 {
	if (speed < 1 || speed > 100) {
		pr_err("speed %d is not from 1 to 100\n", speed);
		return -EINVAL;
	}
	//@ 1 }
	ret = part_take("power", true);
	if (ret)
		return ret;
	ret = part_take("clock", clock);
	// TODO 2: fail with the same error if the clock cannot be taken; but
	// give back the power first.
	//@ 2 {
	if (ret) {
		part_give_back("power");
		return ret;
	}
	//@ 2 } instead: (void)ret;
	pr_info("running at speed %d\n", speed);
	return 0;
}

static void __exit failing_init_exit(void)
{
	// TODO 3: give back the clock before the power.
	//@ 3 {
	part_give_back("clock");
	part_give_back("power");
	//@ 3 } instead: part_give_back("power");\npart_give_back("clock");
}

module_init(failing_init_init);
module_exit(failing_init_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("An init that can fail, and tidies up");
MODULE_LICENSE("GPL");
