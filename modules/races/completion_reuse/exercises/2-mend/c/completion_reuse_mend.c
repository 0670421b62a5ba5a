// SPDX-License-Identifier: GPL-2.0
/*
 * A thread and insmod look for an answer and whoever believes it is the
 * first to find it completes; then the same completion is waited for again.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>

static atomic_t found = ATOMIC_INIT(0);
static int answer;
static DECLARE_COMPLETION(answered);
static DECLARE_COMPLETION(done);

static noinline void search(void)
{
	// TODO 1: only one of the two may complete, however close together
	// they come.
	//@ 1 {
	if (!atomic_xchg(&found, 1)) {
		WRITE_ONCE(answer, 1);
		complete(&answered);
	}
	//@ 1 } instead: if (!atomic_read(&found)) {\n	WRITE_ONCE(answer, 1);
		//@ 1 {
		//@ 1 } instead: atomic_set(&found, 1);\ncomplete(&answered);
	//@ 1 {
	//@ 1 } instead: }
}

static int searcher(void *data)
{
	search();
	kthread_complete_and_exit(&done, 0);
}

/* The second question takes longer. */
static int thinker(void *data)
{
	schedule_timeout_uninterruptible(1);
	WRITE_ONCE(answer, 2);
	complete(&answered);
	kthread_complete_and_exit(&done, 0);
}

static int __init completion_reuse_mend_init(void)
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

static void __exit completion_reuse_mend_exit(void)
{
}

module_init(completion_reuse_mend_init);
module_exit(completion_reuse_mend_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A completion that is completed twice and used again");
MODULE_LICENSE("GPL");
