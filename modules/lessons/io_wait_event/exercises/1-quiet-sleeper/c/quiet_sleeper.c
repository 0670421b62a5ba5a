// SPDX-License-Identifier: GPL-2.0
/*
 * A thread that may wait for hours, and disturbs nobody's statistics.
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
static struct task_struct *sleeper;

static DECLARE_WAIT_QUEUE_HEAD(queue);
static atomic_t seconds = ATOMIC_INIT(0);

static int count(void *data)
{
	while (!kthread_should_stop()) {
		msleep(1000);
		atomic_inc(&seconds);
		wake_up(&queue);
	}
	return 0;
}

static bool is_over(void)
{
	return atomic_read(&seconds) >= 5 || kthread_should_stop();
}

static void report(void)
{
	pr_info("five seconds\n");
}

static int wait(void *data)
{
	// TODO 1: wait in a way that does not count as waiting for a disk, and
	// that shows the state `S`.
	//@ 1 {
	wait_event_interruptible(queue, is_over());
	//@ 1 } instead: io_wait_event(queue, is_over());
	// TODO 2: write the line only if the count was reached, and not if the
	// thread is to stop.
	//@ 2 {
	if (!kthread_should_stop())
		report();
	//@ 2 } instead: report();
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static int __init quiet_sleeper_init(void)
{
	counter = kthread_run(count, NULL, "counter");
	if (IS_ERR(counter))
		return PTR_ERR(counter);
	sleeper = kthread_run(wait, NULL, "sleeper");
	if (IS_ERR(sleeper)) {
		kthread_stop(counter);
		return PTR_ERR(sleeper);
	}
	return 0;
}

static void __exit quiet_sleeper_exit(void)
{
	kthread_stop(counter);
	kthread_stop(sleeper);
}

module_init(quiet_sleeper_init);
module_exit(quiet_sleeper_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("A thread that waits without a load");
MODULE_LICENSE("GPL");
