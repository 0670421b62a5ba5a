// SPDX-License-Identifier: GPL-2.0
/*
 * Example of io_wait_event: one thread waits until another has counted far
 * enough.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/wait.h>

static struct task_struct *wake_thread;
static struct task_struct *wait_thread;

static DECLARE_WAIT_QUEUE_HEAD(wqueue);
static atomic_t i = ATOMIC_INIT(0);

static int wake_thread_fn(void *data)
{
	while (!kthread_should_stop()) {
		pr_info("wake thread execution i value =  %d\n",
			atomic_read(&i));
		atomic_inc(&i);
		wake_up(&wqueue);
		msleep(1000);
	}
	return 0;
}

static int wait_thread_fn(void *data)
{
	while (!kthread_should_stop()) {
		io_wait_event(wqueue,
			      atomic_read(&i) > 3 || kthread_should_stop());
		if (kthread_should_stop())
			break;
		pr_info("wait thread execution i value = %d\n",
			atomic_read(&i));
		msleep(1000);
	}
	return 0;
}

/*
 * Both threads end only when they are stopped, so their pointers stay good
 * until then and no reference (get_task_struct()) is needed.
 */
static struct task_struct *thread_start(int (*fn)(void *), const char *which)
{
	struct task_struct *thread;

	thread = kthread_run(fn, NULL, "io_wait_event %s_thread example",
			     which);
	if (IS_ERR(thread))
		pr_err("error in creating %s thread\n", which);
	else
		pr_info("successfully created %s thread\n", which);
	return thread;
}

static void thread_stop(struct task_struct *thread, const char *which)
{
	if (kthread_stop(thread) == -EINTR)
		pr_info("the %s thread never ran\n", which);
}

static int __init io_wait_event_init(void)
{
	pr_info("inside kthread init function\n");

	wake_thread = thread_start(wake_thread_fn, "wake");
	if (IS_ERR(wake_thread))
		return PTR_ERR(wake_thread);

	wait_thread = thread_start(wait_thread_fn, "wait");
	if (IS_ERR(wait_thread)) {
		kthread_stop(wake_thread);
		return PTR_ERR(wait_thread);
	}
	return 0;
}

static void __exit io_wait_event_exit(void)
{
	pr_info("inside kthread exit function\n");
	thread_stop(wake_thread, "wake");
	thread_stop(wait_thread, "wait");
	pr_info("destroyed threads and completed tasks\n");
}

module_init(io_wait_event_init);
module_exit(io_wait_event_exit);

MODULE_AUTHOR("Linux Usr");
MODULE_DESCRIPTION("Example of io_wait_event");
MODULE_LICENSE("GPL");
