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
static int seen;
static DECLARE_COMPLETION(done);

static int writer(void *data)
{
	WRITE_ONCE(answer, 42);
	/* Pairs with smp_load_acquire() in reader(). */
	smp_store_release(&ready, true);
	kthread_complete_and_exit(&done, 0);
}

static int reader(void *data)
{
	/* Pairs with smp_store_release() in writer(). */
	while (!smp_load_acquire(&ready))
		schedule_timeout_uninterruptible(1);
	seen = READ_ONCE(answer);
	kthread_complete_and_exit(&done, 0);
}

static int __init unordered_flag_mended_init(void)
{
	struct task_struct *first, *second;

	first = kthread_create(writer, NULL, "writer");
	if (IS_ERR(first))
		return PTR_ERR(first);
	second = kthread_create(reader, NULL, "reader");
	if (IS_ERR(second)) {
		kthread_stop(first);
		return PTR_ERR(second);
	}
	wake_up_process(first);
	wake_up_process(second);
	wait_for_completion(&done);
	wait_for_completion(&done);
	pr_info("the reader has seen the answer %d\n", seen);
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
