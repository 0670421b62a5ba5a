// SPDX-License-Identifier: GPL-2.0
/*
 * Two threads draw a ticket each, in one step.
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
static int drawn[2];
static DECLARE_COMPLETION(done);

static int draw(void *data)
{
	int *ticket = data;

	*ticket = atomic_fetch_inc(&next);
	kthread_complete_and_exit(&done, 0);
}

static int __init run_two(void)
{
	struct task_struct *task[2];
	int i;

	for (i = 0; i < 2; i++) {
		task[i] = kthread_create(draw, &drawn[i], "draw/%d", i);
		if (IS_ERR(task[i])) {
			if (i)
				kthread_stop(task[0]);
			return PTR_ERR(task[i]);
		}
	}
	for (i = 0; i < 2; i++)
		wake_up_process(task[i]);
	for (i = 0; i < 2; i++)
		wait_for_completion(&done);
	return 0;
}

static int __init unlocked_counter_mended_init(void)
{
	int ret = run_two();

	if (ret)
		return ret;
	pr_info("the tickets are %d and %d\n", min(drawn[0], drawn[1]),
		max(drawn[0], drawn[1]));
	return 0;
}

static void __exit unlocked_counter_mended_exit(void)
{
}

module_init(unlocked_counter_mended_init);
module_exit(unlocked_counter_mended_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("Two threads draw from a counter in one step");
MODULE_LICENSE("GPL");
