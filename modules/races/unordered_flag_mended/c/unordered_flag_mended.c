// SPDX-License-Identifier: GPL-2.0
/*
 * A thread writes an answer and then a flag, in this order, and another one
 * reads the answer when it sees the flag.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

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
	WRITE_ONCE(answer, 42);
	/* Pairs with smp_load_acquire() in unordered_flag_mended_init(). */
	smp_store_release(&ready, true);
	kthread_complete_and_exit(&done, 0);
}

static int __init unordered_flag_mended_init(void)
{
	struct task_struct *task = kthread_run(writer, NULL, "writer");
	int seen;

	if (IS_ERR(task))
		return PTR_ERR(task);
	wait_for_completion(&here);
	/* Pairs with smp_store_release() in writer(). */
	while (!smp_load_acquire(&ready))
		schedule_timeout_uninterruptible(1);
	seen = READ_ONCE(answer);
	wait_for_completion(&done);
	pr_info("the answer is %d\n", seen);
	return 0;
}

static void __exit unordered_flag_mended_exit(void)
{
}

module_init(unordered_flag_mended_init);
module_exit(unordered_flag_mended_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A flag and what it stands for, in order");
MODULE_LICENSE("GPL");
