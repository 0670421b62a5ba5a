// SPDX-License-Identifier: GPL-2.0
/*
 * A thread that counts its beats and returns their number.
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
MODULE_PARM_DESC(start, "Whether the thread may run");

static struct task_struct *thread;

// TODO 1: count the beats, and return their number.
//@ 1 {
static int beats(void *data)
{
	int count = 0;

	while (!kthread_should_stop()) {
		count++;
		msleep(500);
	}
	return count;
}

//@ 1 } instead: static int beats(void *data)\n{\n	while (!kthread_should_stop())\n		msleep(500);\n	return 0;\n}\n
static int __init count_beats_init(void)
{
	/* The two steps of kthread_run(), so that the second can be left out. */
	thread = kthread_create(beats, NULL, "count_beats");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	if (start)
		wake_up_process(thread);
	return 0;
}

static void __exit count_beats_exit(void)
{
	// TODO 2: write `N beats` to the log, with the number that the thread
	// returned, or `the thread never ran` if it was stopped too early for
	// that.
	//@ 2 {
	int count = kthread_stop(thread);

	if (count == -EINTR)
		pr_info("the thread never ran\n");
	else
		pr_info("%d beats\n", count);
	//@ 2 } instead: kthread_stop(thread);
}

module_init(count_beats_init);
module_exit(count_beats_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("A thread that returns a number");
MODULE_LICENSE("GPL");
