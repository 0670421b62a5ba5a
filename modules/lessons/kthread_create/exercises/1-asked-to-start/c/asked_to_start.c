// SPDX-License-Identifier: GPL-2.0
/*
 * A thread that is made always, and started only if the one who loads the
 * module wants it.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/sched.h>

static bool start = true;
module_param(start, bool, 0444);
MODULE_PARM_DESC(start, "Whether to start the thread");

static struct task_struct *thread;

static int work(void *data)
{
	while (!kthread_should_stop()) {
		pr_info("working\n");
		msleep(100);
	}
	return 0;
}

static int __init asked_to_start_init(void)
{
	thread = kthread_create(work, NULL, "asked_to_start");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	// TODO 1: start the thread if the parameter `start` says so. Write `it
	// was asleep` to the log if it was.
	//@ 1 {
	if (start && wake_up_process(thread))
		pr_info("it was asleep\n");
	//@ 1 } instead: wake_up_process(thread);
	return 0;
}

static void __exit asked_to_start_exit(void)
{
	// TODO 2: write `it never ran` to the log if the thread never ran.
	//@ 2 {
	if (kthread_stop(thread) == -EINTR)
		pr_info("it never ran\n");
	//@ 2 } instead: kthread_stop(thread);
}

module_init(asked_to_start_init);
module_exit(asked_to_start_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("A thread that may never start");
MODULE_LICENSE("GPL");
