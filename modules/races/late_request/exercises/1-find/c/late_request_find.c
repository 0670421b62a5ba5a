// SPDX-License-Identifier: GPL-2.0
/*
 * insmod makes a request to a device, which a thread removes. The request
 * looks whether the device is being removed, and is counted after that.
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

// TODO 1: add one call of msleep(100) to this module, so that
// the request uses a device without power.

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

/* Returns whether the device had power, if the request was accepted. */
static noinline bool request(void)
{
	bool had_power;

	if (READ_ONCE(removing))
		return true;
	/* The device may go from here on, as nobody waits for this request. */
	//@ 1 {
	msleep(100);
	//@ 1 }
	atomic_inc(&users);
	had_power = READ_ONCE(powered);
	put();
	return had_power;
}

static void remove_device(void)
{
	WRITE_ONCE(removing, true);
	put();
	wait_for_completion(&unused);
	WRITE_ONCE(powered, false);
}

static int remover(void *data)
{
	/* insmod checks the flag in this time. */
	msleep(50);
	remove_device();
	kthread_complete_and_exit(&done, 0);
}

static int __init late_request_find_init(void)
{
	struct task_struct *task = kthread_run(remover, NULL, "remover");
	bool powered;

	if (IS_ERR(task))
		return PTR_ERR(task);
	powered = request();
	wait_for_completion(&done);
	if (powered)
		pr_info("no request used a device without power\n");
	else
		pr_info("a request used a device without power\n");
	return 0;
}

static void __exit late_request_find_exit(void)
{
}

module_init(late_request_find_init);
module_exit(late_request_find_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A request that is counted too late");
MODULE_LICENSE("GPL");
