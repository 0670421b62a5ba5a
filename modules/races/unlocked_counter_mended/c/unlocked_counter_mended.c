// SPDX-License-Identifier: GPL-2.0
/*
 * A thread and insmod draw a ticket each, in one step.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/module.h>

static atomic_t next;
static int drawn;
static DECLARE_COMPLETION(here);
static DECLARE_COMPLETION(done);

static int draw(void)
{
	return atomic_fetch_inc(&next);
}

static int drawer(void *data)
{
	complete(&here);
	drawn = draw();
	kthread_complete_and_exit(&done, 0);
}

static int __init unlocked_counter_mended_init(void)
{
	struct task_struct *task = kthread_run(drawer, NULL, "drawer");
	int own;

	if (IS_ERR(task))
		return PTR_ERR(task);
	wait_for_completion(&here);
	own = draw();
	wait_for_completion(&done);
	pr_info("the tickets are %d and %d\n", min(drawn, own),
		max(drawn, own));
	return 0;
}

static void __exit unlocked_counter_mended_exit(void)
{
}

module_init(unlocked_counter_mended_init);
module_exit(unlocked_counter_mended_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("Two draw from a counter in one step");
MODULE_LICENSE("GPL");
