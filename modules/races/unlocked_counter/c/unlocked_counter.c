// SPDX-License-Identifier: GPL-2.0
/*
 * Two threads draw a ticket each: they read a counter and write back one
 * more, with no lock.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/module.h>

static int next;
static int drawn[2];
static DECLARE_COMPLETION(done);

static int draw(void *data)
{
	int *ticket = data;

	*ticket = READ_ONCE(next);
	/* Another may draw here, and gets the same. */
	WRITE_ONCE(next, *ticket + 1);
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

static int __init unlocked_counter_init(void)
{
	int ret = run_two();

	if (ret)
		return ret;
	pr_info("the tickets are %d and %d\n", min(drawn[0], drawn[1]),
		max(drawn[0], drawn[1]));
	return 0;
}

static void __exit unlocked_counter_exit(void)
{
}

module_init(unlocked_counter_init);
module_exit(unlocked_counter_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("Two threads draw from a counter without a lock");
MODULE_LICENSE("GPL");
