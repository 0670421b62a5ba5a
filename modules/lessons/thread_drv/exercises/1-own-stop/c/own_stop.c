// SPDX-License-Identifier: GPL-2.0
/*
 * Five threads that are ended with the means of the kernel alone.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/wait.h>

#define NTHREADS 5

static DECLARE_WAIT_QUEUE_HEAD(queue);
static struct task_struct *threads[NTHREADS];

static int work(void *data)
{
	// TODO 1: work once a second, until the thread should stop. Let the
	// request to stop end the sleep.
	//@ 1 {
	while (!wait_event_timeout(queue, kthread_should_stop(), HZ))
		pr_info("working\n");
	//@ 1 } instead: wait_event(queue, kthread_should_stop());
	// TODO 2: write `ending` to the log.
	//@ 2 {
	pr_info("ending\n");
	//@ 2 }
	return 0;
}

static int __init own_stop_init(void)
{
	int i;

	for (i = 0; i < NTHREADS; i++) {
		threads[i] = kthread_run(work, NULL, "own_stop");
		if (IS_ERR(threads[i]))
			goto stop;
	}
	return 0;

stop:
	for (int done = 0; done < i; done++)
		kthread_stop(threads[done]);
	return PTR_ERR(threads[i]);
}

static void __exit own_stop_exit(void)
{
	for (int i = 0; i < NTHREADS; i++)
		kthread_stop(threads[i]);
}

module_init(own_stop_init);
module_exit(own_stop_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("Five threads without flags of their own");
MODULE_LICENSE("GPL");
