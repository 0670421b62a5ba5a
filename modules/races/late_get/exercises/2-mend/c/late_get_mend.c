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

/* Number of references to the object: one is insmod's own. */
static atomic_t users = ATOMIC_INIT(1);
/* Number of handles that were created. */
static atomic_t handles = ATOMIC_INIT(0);
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
	fsleep(1000);
	put();
	kthread_complete_and_exit(&done, 0);
}

static noinline bool create_handle(void)
{
	bool in_time;

	// TODO 1: nobody may put the handle's reference before it is taken.
	//@ 1 {
	in_time = get();
	complete(&handle);
	atomic_inc(&handles);
	//@ 1 } instead: complete(&handle);\natomic_inc(&handles);
	//@ 1 {
	//@ 1 } instead: in_time = get();
	return in_time;
}

static int __init late_get_mend_init(void)
{
	struct task_struct *task = kthread_run(user, NULL, "user");
	bool in_time, last;

	if (IS_ERR(task))
		return PTR_ERR(task);
	in_time = create_handle();
	wait_for_completion(&done);
	last = put();
	if (!in_time)
		pr_info("a reference was taken to an object that had gone\n");
	else if (!last)
		pr_info("a reference is left, so the object is never freed\n");
	else
		pr_info("the object was there for each reference\n");
	return 0;
}

static void __exit late_get_mend_exit(void)
{
}

module_init(late_get_mend_init);
module_exit(late_get_mend_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A reference that is taken too late");
MODULE_LICENSE("GPL");
