// SPDX-License-Identifier: GPL-2.0
/*
 * insmod moves money between two accounts, one lock after the other, and a
 * thread adds the accounts up.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>

static DEFINE_MUTEX(left_lock);
static DEFINE_MUTEX(right_lock);
static int in_left = 100;
static int in_right = 100;
static int sum;
static DECLARE_COMPLETION(done);

static noinline void transfer(void)
{
	// TODO 1: whoever holds both locks must find 200 in the two accounts.
	//@ 1 {
	mutex_lock(&left_lock);
	mutex_lock(&right_lock);
	in_left -= 30;
	in_right += 30;
	mutex_unlock(&right_lock);
	mutex_unlock(&left_lock);
	//@ 1 } instead: mutex_lock(&left_lock);\nin_left -= 30;\nmutex_unlock(&left_lock);
	//@ 1 {
	//@ 1 } instead: mutex_lock(&right_lock);\nin_right += 30;\nmutex_unlock(&right_lock);
}

static int auditor(void *data)
{
	/* insmod is nearly always done with the transfer in this time. */
	usleep_range(5000, 6000);
	mutex_lock(&left_lock);
	mutex_lock(&right_lock);
	sum = in_left + in_right;
	mutex_unlock(&right_lock);
	mutex_unlock(&left_lock);
	kthread_complete_and_exit(&done, 0);
}

static int __init split_transfer_mend_init(void)
{
	struct task_struct *task = kthread_run(auditor, NULL, "auditor");

	if (IS_ERR(task))
		return PTR_ERR(task);
	transfer();
	wait_for_completion(&done);
	pr_info("the auditor counted %d\n", sum);
	return 0;
}

static void __exit split_transfer_mend_exit(void)
{
}

module_init(split_transfer_mend_init);
module_exit(split_transfer_mend_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A transfer in two critical sections");
MODULE_LICENSE("GPL");
