// SPDX-License-Identifier: GPL-2.0
/*
 * A thread and insmod draw a ticket each: they read a counter and write
 * back one more, with no lock.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>

// TODO 1: add one call of msleep(100) to this module, so that both draw the
// same ticket in every run.

static int next;
static atomic_t draws = ATOMIC_INIT(0);
static DECLARE_COMPLETION(done);

static noinline void draw(void)
{
	int ticket = READ_ONCE(next);

	//@ 1 {
	msleep(100);
	//@ 1 }
	atomic_inc(&draws);
	WRITE_ONCE(next, ticket + 1);
}

static int drawer(void *data)
{
	draw();
	kthread_complete_and_exit(&done, 0);
}

static int __init unlocked_counter_find_init(void)
{
	struct task_struct *task = kthread_run(drawer, NULL, "drawer");

	if (IS_ERR(task))
		return PTR_ERR(task);
	draw();
	wait_for_completion(&done);
	pr_info("%d draws, and the next ticket is %d\n", atomic_read(&draws),
		next);
	return 0;
}

static void __exit unlocked_counter_find_exit(void)
{
}

module_init(unlocked_counter_find_init);
module_exit(unlocked_counter_find_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("Two draw from a counter, with no lock");
MODULE_LICENSE("GPL");
