// SPDX-License-Identifier: GPL-2.0
/*
 * insmod makes a request to a device, which a thread removes. The request
 * looks whether the device is being removed, and is counted after that.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>

//@ 1 {
static DEFINE_MUTEX(lock);
//@ 1 }
static bool removing;
static bool powered = true;
/* One for the device, and one for each request. */
static atomic_t users = ATOMIC_INIT(1);
static DECLARE_COMPLETION(unused);
static DECLARE_COMPLETION(done);

static void put(void)
{
	if (atomic_dec_and_test(&users))
		complete(&unused);
}

/* Returns whether the device had power, or an error if it is being removed. */
static noinline int request(void)
{
	bool had_power;

	// TODO 1: the removal must wait for each request that is not refused.
	//@ 1 {
	mutex_lock(&lock);
	if (READ_ONCE(removing)) {
		mutex_unlock(&lock);
		return -ENODEV;
	}
	atomic_inc(&users);
	mutex_unlock(&lock);
	//@ 1 } instead: if (READ_ONCE(removing))\n	return -ENODEV;
	//@ 1 {
	//@ 1 } instead: atomic_inc(&users);
	had_power = READ_ONCE(powered);
	put();
	return had_power;
}

static void remove_device(void)
{
	//@ 1 {
	mutex_lock(&lock);
	//@ 1 }
	WRITE_ONCE(removing, true);
	//@ 1 {
	mutex_unlock(&lock);
	//@ 1 }
	put();
	wait_for_completion(&unused);
	WRITE_ONCE(powered, false);
}

static int remover(void *data)
{
	remove_device();
	kthread_complete_and_exit(&done, 0);
}

static int __init late_request_mend_init(void)
{
	struct task_struct *task;
	int early, late;

	/* Nobody removes the device yet. */
	early = request();
	task = kthread_run(remover, NULL, "remover");
	if (IS_ERR(task))
		return PTR_ERR(task);
	late = request();
	wait_for_completion(&done);
	if (early < 0)
		pr_info("a request was refused before the removal\n");
	else if (late == 0)
		pr_info("a request used a device without power\n");
	else
		pr_info("no request used a device without power\n");
	return 0;
}

static void __exit late_request_mend_exit(void)
{
}

module_init(late_request_mend_init);
module_exit(late_request_mend_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A request that is counted too late");
MODULE_LICENSE("GPL");
