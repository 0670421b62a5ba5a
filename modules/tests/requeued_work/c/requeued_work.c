// SPDX-License-Identifier: GPL-2.0
/*
 * Cancels a work item, and deletes the timer that queues it only then. The timer may queue the work
 * item in between.
 */

#include <linux/module.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

/* Longer ones come at multiples of 32 ms, so that a delay of 1 ms can shift them by 32. */
#define PERIOD msecs_to_jiffies(240)

static unsigned int rounds;

static void count(struct work_struct *work)
{
	rounds++;
}

static DECLARE_WORK(work, count);

static void tick(struct timer_list *timer)
{
	schedule_work(&work);
	mod_timer(timer, jiffies + PERIOD);
}

static DEFINE_TIMER(timer, tick);

static int __init requeued_init(void)
{
	mod_timer(&timer, jiffies + PERIOD);
	return 0;
}

static void __exit requeued_exit(void)
{
	cancel_work_sync(&work);
	timer_delete_sync(&timer);
	pr_info("%u rounds\n", rounds);
}

module_init(requeued_init);
module_exit(requeued_exit);

MODULE_DESCRIPTION("A work item that is queued after it was cancelled");
MODULE_LICENSE("GPL");
