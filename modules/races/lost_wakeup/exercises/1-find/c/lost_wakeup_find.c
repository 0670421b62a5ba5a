// SPDX-License-Identifier: GPL-2.0
/*
 * insmod waits for news that a thread brings, and looks whether they have
 * come before it arms its wait.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/wait.h>

// TODO 1: add one call of msleep(100) to this module, so that
// the news come while `insmod` is not on the queue.

/* Number of times that there is news. */
#define NEWS 4

static DECLARE_WAIT_QUEUE_HEAD(queue);
static DECLARE_COMPLETION(heard);
static DECLARE_COMPLETION(done);
static bool news;
static bool late;
static atomic_t sleeps = ATOMIC_INIT(0);

static int teller(void *data)
{
	for (int i = 0; i < NEWS; i++) {
		WRITE_ONCE(news, true);
		wake_up(&queue);
		if (!wait_for_completion_timeout(&heard, HZ)) {
			late = true;
			wake_up(&queue);
			wait_for_completion(&heard);
		}
		/* insmod looks for the next news in this time. */
		msleep(20);
	}
	kthread_complete_and_exit(&done, 0);
}

static void wait_for_news(void)
{
	DEFINE_WAIT(wait);

	if (!READ_ONCE(news)) {
		atomic_inc(&sleeps);
		//@ 1 {
		msleep(100);
		//@ 1 }
		prepare_to_wait(&queue, &wait, TASK_UNINTERRUPTIBLE);
		schedule();
		finish_wait(&queue, &wait);
	}
}

static int __init lost_wakeup_find_init(void)
{
	struct task_struct *task = kthread_run(teller, NULL, "teller");

	if (IS_ERR(task))
		return PTR_ERR(task);
	for (int i = 0; i < NEWS; i++) {
		wait_for_news();
		WRITE_ONCE(news, false);
		complete(&heard);
	}
	wait_for_completion(&done);
	if (late)
		pr_info("the news came and nobody was woken for 1 s\n");
	else
		pr_info("the news have been heard\n");
	return 0;
}

static void __exit lost_wakeup_find_exit(void)
{
}

module_init(lost_wakeup_find_init);
module_exit(lost_wakeup_find_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A wake-up that can be lost");
MODULE_LICENSE("GPL");
