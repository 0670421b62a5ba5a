// SPDX-License-Identifier: GPL-2.0
/*
 * The last job of a thread is freed by rmmod, which gives the thread time
 * enough for it and does not wait until it is done.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/poison.h>
#include <linux/slab.h>
#include <linux/string.h>

struct job {
	int a, b;
	int cost;
};

static struct job *job;
static int product, cost;
static DECLARE_COMPLETION(start);
static DECLARE_COMPLETION(done);

static int worker(void *data)
{
	wait_for_completion(&start);
	product = job->a * job->b;
	cost = job->cost;
	kthread_complete_and_exit(&done, 0);
}

/* Fills the job before it is freed, as a debugging kernel does. */
static void free_job(void)
{
	memset(job, POISON_FREE, sizeof(*job));
	kfree(job);
}

static int __init use_after_free_mend_init(void)
{
	struct task_struct *task;

	job = kmalloc(sizeof(*job), GFP_KERNEL);
	if (!job)
		return -ENOMEM;
	*job = (struct job) { .a = 6, .b = 7, .cost = 3 };
	task = kthread_run(worker, NULL, "worker");
	if (IS_ERR(task)) {
		kfree(job);
		return PTR_ERR(task);
	}
	return 0;
}

static void __exit use_after_free_mend_exit(void)
{
	complete(&start);
	// TODO 1: the job may be freed when the thread does not use it any more.
	//@ 1 {
	wait_for_completion(&done);
	free_job();
	//@ 1 } instead: usleep_range(2000, 3000);\nfree_job();\nwait_for_completion(&done);
	pr_info("the product is %d, the cost was %d\n", product, cost);
}

module_init(use_after_free_mend_init);
module_exit(use_after_free_mend_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A job that is freed when its thread still uses it");
MODULE_LICENSE("GPL");
