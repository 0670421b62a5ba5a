// SPDX-License-Identifier: GPL-2.0
/*
 * A thread and insmod move money between two accounts, each in the other
 * direction, and lock the accounts in the order in which they name them.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>

static DEFINE_MUTEX(left);
static DEFINE_MUTEX(right);
static int in_left = 100;
static int in_right = 100;
static DECLARE_COMPLETION(done);

static void to_right(void)
{
	mutex_lock(&left);
	in_left -= 10;
	mutex_lock(&right);
	in_right += 10;
	mutex_unlock(&right);
	mutex_unlock(&left);
}

static int to_left(void *data)
{
	// TODO 1: move the money, and never wait for a task that waits for
	// you.
	//@ 1 {
	mutex_lock(&left);
	mutex_lock(&right);
	in_right -= 30;
	in_left += 30;
	mutex_unlock(&right);
	mutex_unlock(&left);
	//@ 1 } instead: mutex_lock(&right);\nin_right -= 30;\nmutex_lock(&left);\nin_left += 30;
	//@ 1 {
	//@ 1 } instead: mutex_unlock(&left);\nmutex_unlock(&right);
	kthread_complete_and_exit(&done, 0);
}

static int __init lock_order_mend_init(void)
{
	struct task_struct *task = kthread_run(to_left, NULL, "to_left");

	if (IS_ERR(task))
		return PTR_ERR(task);
	to_right();
	wait_for_completion(&done);
	pr_info("left has %d, right has %d\n", in_left, in_right);
	return 0;
}

static void __exit lock_order_mend_exit(void)
{
}

module_init(lock_order_mend_init);
module_exit(lock_order_mend_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("Two mutexes in opposite order");
MODULE_LICENSE("GPL");
