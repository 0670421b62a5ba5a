// SPDX-License-Identifier: GPL-2.0
/*
 * Two threads look for an answer and the first to find it completes; then
 * the same completion is waited for again.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>

static atomic_t found;
static int answer;
static DECLARE_COMPLETION(answered);
static DECLARE_COMPLETION(ended);

static int searcher(void *data)
{
	if (!atomic_xchg(&found, true)) {
		WRITE_ONCE(answer, 1);
		complete(&answered);
	}
	kthread_complete_and_exit(&ended, 0);
}

/* The second question: whoever knows the answer is told to start last. */
static int thinker(void *data)
{
	schedule_timeout_uninterruptible(1);
	WRITE_ONCE(answer, 2);
	complete(&answered);
	kthread_complete_and_exit(&ended, 0);
}

static int __init run_two(void)
{
	struct task_struct *task[2];
	int i;

	for (i = 0; i < 2; i++) {
		task[i] = kthread_create(searcher, NULL, "searcher");
		if (IS_ERR(task[i])) {
			if (i)
				kthread_stop(task[0]);
			return PTR_ERR(task[i]);
		}
	}
	for (i = 0; i < 2; i++)
		wake_up_process(task[i]);
	for (i = 0; i < 2; i++)
		wait_for_completion(&ended);
	return 0;
}

static int __init completion_reuse_mended_init(void)
{
	struct task_struct *task;
	int first, second, ret;

	ret = run_two();
	if (ret)
		return ret;
	wait_for_completion(&answered);
	first = READ_ONCE(answer);

	task = kthread_run(thinker, NULL, "thinker");
	if (IS_ERR(task))
		return PTR_ERR(task);
	wait_for_completion(&answered);
	second = READ_ONCE(answer);
	wait_for_completion(&ended);
	pr_info("the answers are %d and %d\n", first, second);
	return 0;
}

static void __exit completion_reuse_mended_exit(void)
{
}

module_init(completion_reuse_mended_init);
module_exit(completion_reuse_mended_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A completion that is used twice");
MODULE_LICENSE("GPL");
