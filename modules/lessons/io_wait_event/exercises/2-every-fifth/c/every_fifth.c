// SPDX-License-Identifier: GPL-2.0
/*
 * A thread that wakes once for each fifth number that another one counts to.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/wait.h>

static struct task_struct *counter;
static struct task_struct *waiter;

static DECLARE_WAIT_QUEUE_HEAD(queue);
static atomic_t i = ATOMIC_INIT(0);

static int count(void *data)
{
	while (!kthread_should_stop()) {
		msleep(200);
		atomic_inc(&i);
		// TODO 1: wake the waiter.
		//@ 1 {
		wake_up(&queue);
		//@ 1 }
	}
	return 0;
}

static int wait(void *data)
{
	int seen = 0;

	while (!kthread_should_stop()) {
		// TODO 2: sleep until `i` has passed the next multiple of
		// {{step}} after `seen`, or the thread has to stop.
		//@ 2 {
		wait_event(queue, atomic_read(&i) / 5 > seen || //@ vary step
				  kthread_should_stop());
		//@ 2 } instead: wait_event(queue, kthread_should_stop());
		if (kthread_should_stop())
			break;
		seen++;
		pr_info("wait thread i = %d\n", atomic_read(&i));
	}
	return 0;
}

static int __init every_fifth_init(void)
{
	counter = kthread_run(count, NULL, "every_fifth count");
	if (IS_ERR(counter))
		return PTR_ERR(counter);

	waiter = kthread_run(wait, NULL, "every_fifth wait");
	if (IS_ERR(waiter)) {
		kthread_stop(counter);
		return PTR_ERR(waiter);
	}
	return 0;
}

static void __exit every_fifth_exit(void)
{
	kthread_stop(counter);
	kthread_stop(waiter);
}

module_init(every_fifth_init);
module_exit(every_fifth_exit);

MODULE_AUTHOR("Linux Usr");
MODULE_DESCRIPTION("A thread that wakes once for each fifth number");
MODULE_LICENSE("GPL");
