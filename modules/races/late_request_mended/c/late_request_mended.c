// SPDX-License-Identifier: GPL-2.0
/*
 * insmod makes a request to a device, which a thread removes. The request
 * looks whether the device is being removed, and is counted, under one lock.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/compiler.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>

static DEFINE_MUTEX(lock);
static bool removing;
static bool powered = true;
/* One for the device, and one for each request. */
static int users = 1;
static DECLARE_COMPLETION(unused);
static DECLARE_COMPLETION(done);

/* Returns whether the request was accepted, and is counted. */
static bool get(void)
{
	bool accepted;

	mutex_lock(&lock);
	accepted = !removing;
	if (accepted)
		users++;
	mutex_unlock(&lock);
	return accepted;
}

static void put(void)
{
	mutex_lock(&lock);
	users--;
	if (users == 0)
		complete(&unused);
	mutex_unlock(&lock);
}

/* Returns whether the device had power, if the request was accepted. */
static bool request(void)
{
	bool had_power;

	if (!get())
		return true;
	had_power = READ_ONCE(powered);
	put();
	return had_power;
}

static void remove_device(void)
{
	mutex_lock(&lock);
	removing = true;
	mutex_unlock(&lock);
	put();
	wait_for_completion(&unused);
	WRITE_ONCE(powered, false);
}

static int remover(void *data)
{
	remove_device();
	kthread_complete_and_exit(&done, 0);
}

static int __init late_request_mended_init(void)
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

static void __exit late_request_mended_exit(void)
{
}

module_init(late_request_mended_init);
module_exit(late_request_mended_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A request that is counted in time");
MODULE_LICENSE("GPL");
