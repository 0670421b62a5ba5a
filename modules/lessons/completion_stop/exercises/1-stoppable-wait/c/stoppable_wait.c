// SPDX-License-Identifier: GPL-2.0
/*
 * A thread that waits for news which may never come, and can be stopped all
 * the same.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/sched.h>

static bool news;
module_param(news, bool, 0444);
MODULE_PARM_DESC(news, "Whether there is news");

static struct task_struct *thread;
static DECLARE_COMPLETION(done);

static int wait(void *data)
{
	// TODO 1: wait for at most 100 ms at a time; in between, look whether the
	// thread should stop, and write `no news` to the log and return if it
	// should.
	//@ 1 {
	while (!wait_for_completion_timeout(&done, msecs_to_jiffies(100))) {
		if (kthread_should_stop()) {
			pr_info("no news\n");
			return 0;
		}
	}
	//@ 1 } instead: wait_for_completion(&done);
	pr_info("there is news\n");
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static int __init stoppable_wait_init(void)
{
	thread = kthread_run(wait, NULL, "stoppable");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	if (news)
		complete(&done);
	return 0;
}

static void __exit stoppable_wait_exit(void)
{
	pr_info("stopping\n");
	kthread_stop(thread);
	pr_info("stopped\n");
}

module_init(stoppable_wait_init);
module_exit(stoppable_wait_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("A wait that can be stopped");
MODULE_LICENSE("GPL");
