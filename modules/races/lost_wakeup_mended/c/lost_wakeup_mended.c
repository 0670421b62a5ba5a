// SPDX-License-Identifier: GPL-2.0
/*
 * A thread waits for news: the look is repeated when
 * the wait has been armed.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/wait.h>

static DECLARE_WAIT_QUEUE_HEAD(queue);
static DECLARE_COMPLETION(here);
static DECLARE_COMPLETION(heard);
static bool news;

static int waiter(void *data)
{
	complete(&here);
	wait_event(queue, READ_ONCE(news));
	kthread_complete_and_exit(&heard, 0);
}

static int __init lost_wakeup_mended_init(void)
{
	struct task_struct *task = kthread_run(waiter, NULL, "waiter");

	if (IS_ERR(task))
		return PTR_ERR(task);
	wait_for_completion(&here);
	WRITE_ONCE(news, true);
	wake_up(&queue);
	if (wait_for_completion_timeout(&heard, HZ)) {
		pr_info("the waiter has heard the news\n");
	} else {
		pr_info("the waiter still sleeps after 1 s\n");
		wake_up(&queue);
		wait_for_completion(&heard);
	}
	return 0;
}

static void __exit lost_wakeup_mended_exit(void)
{
}

module_init(lost_wakeup_mended_init);
module_exit(lost_wakeup_mended_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("Two threads and no lost wake-up");
MODULE_LICENSE("GPL");
