// SPDX-License-Identifier: GPL-2.0
/*
 * A thread writes an answer and a flag, and another one reads the answer
 * when it sees the flag: nothing orders the two.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/compiler.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>

static bool ready;
static int answer;
static DECLARE_COMPLETION(here);
static DECLARE_COMPLETION(done);

static int writer(void *data)
{
	complete(&here);
	WRITE_ONCE(ready, true);
	/* Who looks here finds the flag and no answer. */
	WRITE_ONCE(answer, 42);
	kthread_complete_and_exit(&done, 0);
}

static int __init unordered_flag_init(void)
{
	struct task_struct *task = kthread_run(writer, NULL, "writer");
	int seen;

	if (IS_ERR(task))
		return PTR_ERR(task);
	wait_for_completion(&here);
	while (!READ_ONCE(ready))
		schedule_timeout_uninterruptible(1);
	seen = READ_ONCE(answer);
	wait_for_completion(&done);
	pr_info("the answer is %d\n", seen);
	return 0;
}

static void __exit unordered_flag_exit(void)
{
}

module_init(unordered_flag_init);
module_exit(unordered_flag_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A flag and what it stands for, without an order");
MODULE_LICENSE("GPL");
