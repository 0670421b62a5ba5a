// SPDX-License-Identifier: GPL-2.0
/*
 * Three threads that wait for one completion.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/sched.h>

#define NTHREADS 3

static unsigned char admit;
module_param(admit, byte, 0444);
MODULE_PARM_DESC(admit, "How many threads to release at once");

static DECLARE_COMPLETION(gate);
static struct task_struct *threads[NTHREADS];

static int wait(void *data)
{
	wait_for_completion(&gate);
	pr_info("released\n");
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static int __init three_waiters_init(void)
{
	for (int i = 0; i < NTHREADS; i++) {
		threads[i] = kthread_create(wait, NULL, "waiter");
		if (IS_ERR(threads[i])) {
			int ret = PTR_ERR(threads[i]);

			while (i--)
				kthread_stop(threads[i]);
			return ret;
		}
	}
	for (int i = 0; i < NTHREADS; i++)
		wake_up_process(threads[i]);
	// TODO 1: release as many threads as the parameter `admit` says.
	//@ 1 {
	for (int i = 0; i < admit; i++)
		complete(&gate);
	//@ 1 }
	return 0;
}

static void __exit three_waiters_exit(void)
{
	// TODO 2: release all threads that still wait, whatever their number,
	// before the first of them is stopped.
	//@ 2 {
	complete_all(&gate);
	//@ 2 } instead: complete(&gate);
	for (int i = 0; i < NTHREADS; i++)
		kthread_stop(threads[i]);
	pr_info("all stopped\n");
}

module_init(three_waiters_init);
module_exit(three_waiters_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("Three threads that wait for one completion");
MODULE_LICENSE("GPL");
