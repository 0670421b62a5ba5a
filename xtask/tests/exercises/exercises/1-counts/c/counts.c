// SPDX-License-Identifier: GPL-2.0
/*
 * A thread that counts.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>

static struct task_struct *thread;

static int count(void *data)
{
	int limit = 3; //@ vary limit

	// TODO 1: print `1 of {{limit}}` and so on, once a second.
	//@ 1 {
	for (int number = 1; number <= limit; number++) {
		pr_info("%d of %d\n", number, limit);
		msleep(1000);
	}
	//@ 1 } instead: (void)limit;
	while (!kthread_should_stop())
		msleep(100);
	return 0;
}

static int __init counts_init(void)
{
	thread = kthread_run(count, NULL, "counts");
	return PTR_ERR_OR_ZERO(thread);
}

static void __exit counts_exit(void)
{
	kthread_stop(thread);
}

module_init(counts_init);
module_exit(counts_exit);

MODULE_DESCRIPTION("A thread that counts");
MODULE_LICENSE("GPL");
