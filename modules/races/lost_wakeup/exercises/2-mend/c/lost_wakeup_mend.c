// SPDX-License-Identifier: GPL-2.0
/*
 * insmod waits for news that a thread brings, and looks whether they have
 * come before it arms its wait.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/wait.h>

/* Number of times that there is news. */
#define NEWS 4

static DECLARE_WAIT_QUEUE_HEAD(queue);
static DECLARE_COMPLETION(heard);
static DECLARE_COMPLETION(done);
static bool news;
static bool late;

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
	}
	kthread_complete_and_exit(&done, 0);
}

static void wait_for_news(void)
{
	// TODO 1: sleep until there is news, and miss no wake-up.
	//@ 1 {
	wait_event(queue, READ_ONCE(news));
	//@ 1 } instead: DEFINE_WAIT(wait);\n\nif (!READ_ONCE(news)) {
		//@ 1 {
		//@ 1 } instead: prepare_to_wait(&queue, &wait, TASK_UNINTERRUPTIBLE);
		//@ 1 {
		//@ 1 } instead: schedule();\nfinish_wait(&queue, &wait);
	//@ 1 {
	//@ 1 } instead: }
}

static int __init lost_wakeup_mend_init(void)
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

static void __exit lost_wakeup_mend_exit(void)
{
}

module_init(lost_wakeup_mend_init);
module_exit(lost_wakeup_mend_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A wake-up that can be lost");
MODULE_LICENSE("GPL");
