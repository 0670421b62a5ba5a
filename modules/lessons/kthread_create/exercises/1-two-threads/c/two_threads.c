// SPDX-License-Identifier: GPL-2.0
/*
 * Two threads that are both made before either of them starts.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/sched.h>

static struct task_struct *first;
static struct task_struct *second;

static int work(void *data)
{
	const char *which = data;

	pr_info("the %s thread runs\n", which);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	pr_info("the %s thread ends\n", which);
	return 0;
}

static int __init two_threads_init(void)
{
	// TODO 1: only make the two threads here.
	//@ 1 {
	first = kthread_create(work, "first", "two_threads/%d", 1);
	//@ 1 } instead: first = kthread_run(work, "first", "two_threads/%d", 1);
	if (IS_ERR(first))
		return PTR_ERR(first);
	//@ 1 {
	second = kthread_create(work, "second", "two_threads/%d", 2);
	//@ 1 } instead: second = kthread_run(work, "second", "two_threads/%d", 2);
	if (IS_ERR(second)) {
		kthread_stop(first);
		return PTR_ERR(second);
	}
	pr_info("both threads are made\n");
	// TODO 2: start both threads, the second before the first.
	//@ 2 {
	wake_up_process(second);
	wake_up_process(first);
	//@ 2 }
	return 0;
}

static void __exit two_threads_exit(void)
{
	kthread_stop(first);
	kthread_stop(second);
}

module_init(two_threads_init);
module_exit(two_threads_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("Two threads, made first and started then");
MODULE_LICENSE("GPL");
