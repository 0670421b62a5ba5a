// SPDX-License-Identifier: GPL-2.0
/*
 * A thread and insmod move money between two accounts, each in the other
 * direction, and lock the accounts in the order in which they name them.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>

// TODO 1: add one call of msleep(100) to this module, so that
// the two tasks wait for each other.

static DEFINE_MUTEX(left);
static DEFINE_MUTEX(right);
static int in_left = 100;
static int in_right = 100;
static DECLARE_COMPLETION(done);

static void to_right(void)
{
	mutex_lock(&left);
	in_left -= 10;
	//@ 1 {
	msleep(100);
	//@ 1 }
	mutex_lock(&right);
	in_right += 10;
	mutex_unlock(&right);
	mutex_unlock(&left);
}

static int to_left(void *data)
{
	/* insmod moves its money in this time. */
	msleep(50);
	mutex_lock(&right);
	in_right -= 30;
	mutex_lock(&left);
	in_left += 30;
	mutex_unlock(&left);
	mutex_unlock(&right);
	kthread_complete_and_exit(&done, 0);
}

static int __init lock_order_find_init(void)
{
	struct task_struct *task = kthread_run(to_left, NULL, "to_left");

	if (IS_ERR(task))
		return PTR_ERR(task);
	to_right();
	wait_for_completion(&done);
	pr_info("left has %d, right has %d\n", in_left, in_right);
	return 0;
}

static void __exit lock_order_find_exit(void)
{
}

module_init(lock_order_find_init);
module_exit(lock_order_find_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("Two mutexes in opposite order");
MODULE_LICENSE("GPL");
