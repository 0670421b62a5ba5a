// SPDX-License-Identifier: GPL-2.0
/*
 * Example of a completion: a thread waits until it is released, and is
 * stopped after that.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>

static struct task_struct *thread;
static struct completion my_completion;

static int my_kthread(void *data)
{
	struct completion *done = data;

	pr_info("the thread waits for the completion\n");
	wait_for_completion(done);
	pr_info("the thread is released\n");
	for (;;) {
		/* The state before the look: see the lesson's text. */
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	pr_info("the thread ends\n");
	return 0;
}

static int __init completion_stop_init(void)
{
	init_completion(&my_completion);
	thread = kthread_run(my_kthread, &my_completion, "my_kthread");
	if (IS_ERR(thread)) {
		pr_err("Failed to create kthread\n");
		return PTR_ERR(thread);
	}
	return 0;
}

static void __exit completion_stop_exit(void)
{
	pr_info("complete first, then kthread_stop\n");
	/* This order: a stopped thread that is not released waits for ever. */
	complete(&my_completion);
	if (kthread_stop(thread) == -EINTR)
		pr_info("it never ran\n");
	pr_info("the thread has ended\n");
}

module_init(completion_stop_init);
module_exit(completion_stop_exit);

MODULE_AUTHOR("Linux Usr");
MODULE_DESCRIPTION("Example of a completion and kthread_stop");
MODULE_LICENSE("GPL");
