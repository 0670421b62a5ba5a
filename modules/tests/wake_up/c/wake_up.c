// SPDX-License-Identifier: GPL-2.0
/* Two threads that wake each other in turns. */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched/task.h>
#include <linux/wait.h>

static int rounds = 1;
module_param(rounds, int, 0444);
MODULE_PARM_DESC(rounds, "how often there and back");

static DECLARE_WAIT_QUEUE_HEAD(thread_queue);
static DECLARE_WAIT_QUEUE_HEAD(loader_queue);
static bool at_thread;

static int thread_fn(void *data)
{
	int i;

	for (i = 0; i < rounds; i++) {
		wait_event(thread_queue, READ_ONCE(at_thread));
		WRITE_ONCE(at_thread, false);
		wake_up(&loader_queue);
	}
	return i;
}

static int __init wake_up_init(void)
{
	struct task_struct *thread;
	int i, done;

	thread = kthread_create(thread_fn, NULL, "wake_up");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	/* It may have ended before it is stopped. */
	get_task_struct(thread);
	wake_up_process(thread);

	for (i = 0; i < rounds; i++) {
		WRITE_ONCE(at_thread, true);
		wake_up(&thread_queue);
		wait_event(loader_queue, !READ_ONCE(at_thread));
	}
	done = kthread_stop(thread);
	put_task_struct(thread);
	if (done < 0)
		return done;
	pr_info("%d rounds\n", done);
	return 0;
}

static void __exit wake_up_exit(void)
{
}

module_init(wake_up_init);
module_exit(wake_up_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("Two threads that wake each other in turns");
MODULE_LICENSE("GPL");
