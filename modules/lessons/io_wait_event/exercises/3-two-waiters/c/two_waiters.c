// SPDX-License-Identifier: GPL-2.0
/*
 * Two threads that wait on one queue, each for a number of its own.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/wait.h>

static struct task_struct *counter;
static struct task_struct *three;
static struct task_struct *five;

static DECLARE_WAIT_QUEUE_HEAD(queue);
static atomic_t i = ATOMIC_INIT(0);

static int count(void *data)
{
	while (!kthread_should_stop()) {
		msleep(1000);
		pr_info("i = %d\n", atomic_inc_return(&i));
		// TODO 1: wake those who wait.
		//@ 1 {
		wake_up(&queue);
		//@ 1 }
	}
	return 0;
}

static int wait(void *data)
{
	int wanted = (long)data;

	// TODO 2: wait until `i` is at least `wanted`, or the thread should stop.
	//@ 2 {
	wait_event(queue, atomic_read(&i) >= wanted || kthread_should_stop());
	//@ 2 } instead: wait_event(queue, kthread_should_stop());
	if (!kthread_should_stop())
		pr_info("%d is reached\n", wanted);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static int __init two_waiters_init(void)
{
	int ret;

	three = kthread_run(wait, (void *)3, "waits for 3");
	if (IS_ERR(three))
		return PTR_ERR(three);
	five = kthread_run(wait, (void *)5, "waits for 5");
	if (IS_ERR(five)) {
		ret = PTR_ERR(five);
		goto stop_three;
	}
	counter = kthread_run(count, NULL, "counter");
	if (IS_ERR(counter)) {
		ret = PTR_ERR(counter);
		goto stop_five;
	}
	return 0;

stop_five:
	kthread_stop(five);
stop_three:
	kthread_stop(three);
	return ret;
}

static void __exit two_waiters_exit(void)
{
	kthread_stop(counter);
	kthread_stop(three);
	kthread_stop(five);
}

module_init(two_waiters_init);
module_exit(two_waiters_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("Two waiters on one queue");
MODULE_LICENSE("GPL");
