// SPDX-License-Identifier: GPL-2.0
/*
 * A thread that says once a second that it is there, and leaves within a tenth
 * of one.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/printk.h>

static struct task_struct *thread;

static int beats(void *data)
{
	while (!kthread_should_stop()) {
		pr_info("beat\n");
		// TODO 1: sleep for a second in ten naps of 100 ms each, and end
		// the second early if the thread should stop.
		//@ 1 {
		for (int i = 0; i < 10; i++) {
			if (kthread_should_stop())
				break;
			msleep(100);
		}
		//@ 1 } instead: msleep(1000);
	}
	// TODO 2: write `last words` to the log.
	//@ 2 {
	pr_info("last words\n");
	//@ 2 }
	return 0;
}

static int __init ten_naps_init(void)
{
	thread = kthread_run(beats, NULL, "ten_naps");
	return PTR_ERR_OR_ZERO(thread);
}

static void __exit ten_naps_exit(void)
{
	pr_info("stopping\n");
	kthread_stop(thread);
	pr_info("stopped\n");
}

module_init(ten_naps_init);
module_exit(ten_naps_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("A thread that leaves soon");
MODULE_LICENSE("GPL");
