// SPDX-License-Identifier: GPL-2.0
/*
 * insmod hands a thread a handle to an object, and takes the handle's
 * reference after that.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>

// TODO 1: add one call of msleep(100) to this module, so that
// the thread puts before insmod takes a reference.

/* Number of references to the object: one is insmod's own. */
static atomic_t users = ATOMIC_INIT(1);
static DECLARE_COMPLETION(handle);
static DECLARE_COMPLETION(done);

/* Returns whether the object was still there. */
static bool get(void)
{
	return atomic_inc_return(&users) > 1;
}

/* Returns whether this was the last reference, so that the object goes. */
static bool put(void)
{
	return atomic_dec_and_test(&users);
}

static int user(void *data)
{
	wait_for_completion(&handle);
	/* The use of the object through the handle. */
	msleep(50);
	put();
	kthread_complete_and_exit(&done, 0);
}

static noinline bool create_handle(void)
{
	complete(&handle);
	/* The user may put the handle's reference from here on. */
	//@ 1 {
	msleep(100);
	//@ 1 }
	return get();
}

static int __init late_get_find_init(void)
{
	struct task_struct *task = kthread_run(user, NULL, "user");
	bool in_time;

	if (IS_ERR(task))
		return PTR_ERR(task);
	in_time = create_handle();
	wait_for_completion(&done);
	put();
	if (in_time)
		pr_info("the object was there for each reference\n");
	else
		pr_info("a reference was taken to an object that had gone\n");
	return 0;
}

static void __exit late_get_find_exit(void)
{
}

module_init(late_get_find_init);
module_exit(late_get_find_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A reference that is taken too late");
MODULE_LICENSE("GPL");
