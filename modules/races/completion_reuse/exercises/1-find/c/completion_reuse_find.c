// SPDX-License-Identifier: GPL-2.0
/*
 * A thread and insmod look for an answer and whoever believes it is the
 * first to find it completes; then the same completion is waited for again.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/compiler.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>

// TODO 1: add one call of msleep(100) to this module, so that
// the second question gets the answer 1.

static bool found;
static int answer;
static DECLARE_COMPLETION(answered);
static DECLARE_COMPLETION(done);

static noinline void search(void)
{
	if (!READ_ONCE(found)) {
		WRITE_ONCE(answer, 1);
		//@ 1 {
		msleep(100);
		//@ 1 }
		WRITE_ONCE(found, true);
		complete(&answered);
	}
}

static int searcher(void *data)
{
	search();
	kthread_complete_and_exit(&done, 0);
}

/* The second question takes longer. */
static int thinker(void *data)
{
	msleep(200);
	WRITE_ONCE(answer, 2);
	complete(&answered);
	kthread_complete_and_exit(&done, 0);
}

static int __init completion_reuse_find_init(void)
{
	struct task_struct *task = kthread_run(searcher, NULL, "searcher");
	int first, second;

	if (IS_ERR(task))
		return PTR_ERR(task);
	search();
	wait_for_completion(&done);
	wait_for_completion(&answered);
	first = READ_ONCE(answer);

	task = kthread_run(thinker, NULL, "thinker");
	if (IS_ERR(task))
		return PTR_ERR(task);
	wait_for_completion(&answered);
	second = READ_ONCE(answer);
	wait_for_completion(&done);
	pr_info("the answers are %d and %d\n", first, second);
	return 0;
}

static void __exit completion_reuse_find_exit(void)
{
}

module_init(completion_reuse_find_init);
module_exit(completion_reuse_find_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A completion that is completed twice and used again");
MODULE_LICENSE("GPL");
