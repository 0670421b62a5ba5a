// SPDX-License-Identifier: GPL-2.0
/*
 * Leaves behind whatever its parameter names.
 */

#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

static char *what = "";
module_param(what, charp, 0444);

/* Late: code that runs after the module is gone. */

static void timer_function(struct timer_list *timer)
{
}
static DEFINE_TIMER(timer, timer_function);

static int leave_timer(void)
{
	mod_timer(&timer, jiffies + HZ);
	return 0;
}

static enum hrtimer_restart hrtimer_function(struct hrtimer *timer)
{
	return HRTIMER_NORESTART;
}
static struct hrtimer hrtimer;

static int leave_hrtimer(void)
{
	hrtimer_init(&hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	hrtimer.function = hrtimer_function;
	hrtimer_start(&hrtimer, ms_to_ktime(1000), HRTIMER_MODE_REL);
	return 0;
}

static void work_function(struct work_struct *work)
{
}
static DECLARE_DELAYED_WORK(work, work_function);

static int leave_work(void)
{
	schedule_delayed_work(&work, HZ);
	return 0;
}

/* One grace period after the other, beyond the one for which rmmod waits. */
static struct rcu_head head;
static void callback(struct rcu_head *head)
{
	call_rcu(head, callback);
}

static int leave_callback(void)
{
	call_rcu(&head, callback);
	return 0;
}

/* Threads that sleep in the module's code, and how they hide. */

static void sleep_for_ever(void)
{
	/* marker: sleep */
	msleep(7200 * 1000);
}

static int thread_function(void *data)
{
	sleep_for_ever();
	return 0;
}

static int leave_worker_name(void)
{
	return PTR_ERR_OR_ZERO(kthread_run(thread_function, NULL, "kworker/9:9"));
}

static int leave_created(void)
{
	return PTR_ERR_OR_ZERO(kthread_create(thread_function, NULL, "kworker/9:9"));
}

static void endless_function(struct work_struct *work)
{
	sleep_for_ever();
}
static DECLARE_WORK(endless_work, endless_function);

static int leave_endless_work(void)
{
	schedule_work(&endless_work);
	/* Until a worker executes it. */
	msleep(100);
	return 0;
}

static int leave_workqueue(void)
{
	return alloc_workqueue("left_queue", WQ_MEM_RECLAIM, 0) ? 0 : -ENOMEM;
}

static const struct {
	const char *what;
	int (*leave)(void);
} kinds[] = {
	{ "timer", leave_timer },
	{ "hrtimer", leave_hrtimer },
	{ "work", leave_work },
	{ "callback", leave_callback },
	{ "worker_name", leave_worker_name },
	{ "created", leave_created },
	{ "endless_work", leave_endless_work },
	{ "workqueue", leave_workqueue },
};

static int __init leaves_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(what, kinds[i].what))
			return kinds[i].leave();
	return 0;
}

static void __exit leaves_exit(void)
{
}

module_init(leaves_init);
module_exit(leaves_exit);

MODULE_DESCRIPTION("Leaves behind whatever its parameter names");
MODULE_LICENSE("GPL");
