// SPDX-License-Identifier: GPL-2.0
/*
 * A thread that beats like a heart, and a second one that notices when a beat
 * does not come.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/wait.h>

static unsigned int period = 200;
module_param(period, uint, 0444);
MODULE_PARM_DESC(period, "Milliseconds from beat to beat");

static unsigned int limit = 500;
module_param(limit, uint, 0444);
MODULE_PARM_DESC(limit, "Milliseconds after which a missing beat is reported");

static unsigned int warm_up;
module_param(warm_up, uint, 0444);
MODULE_PARM_DESC(warm_up, "Milliseconds before the first beat");

static atomic_t beats = ATOMIC_INIT(0);
static atomic_t late = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(queue);
static DECLARE_COMPLETION(first);

static struct task_struct *heart;
static struct task_struct *watchdog;

/* Sleeps for some milliseconds, or until the thread must stop. */
static void sleep_or_stop(unsigned int ms)
{
	wait_event_timeout(queue, kthread_should_stop(), msecs_to_jiffies(ms));
}

static int heart_fn(void *data)
{
	sleep_or_stop(warm_up);
	while (!kthread_should_stop()) {
		// TODO 1: count a beat in `beats`, print "beat 1" with its
		// number, and wake those who wait for it. At the end of the
		// loop, sleep for `period` ms, or until the thread must stop.
		//@ 1 {
		pr_info("beat %d\n", atomic_inc_return(&beats));
		wake_up(&queue);
		//@ 1 }
		// TODO 2: report the first beat to the init function.
		// (complete_all() may be called at each beat.)
		//@ 2 {
		complete_all(&first);
		//@ 2 } instead: (void)first;
		//@ 1 {
		sleep_or_stop(period);
		//@ 1 } instead: sleep_or_stop(1000);
	}
	return 0;
}

static int watchdog_fn(void *data)
{
	int seen = 0;

	while (!kthread_should_stop()) {
		// TODO 3: sleep until the number of beats differs from `seen`,
		// the thread must stop, or `limit` ms have passed. If the time
		// is up, count in `late` and print "no beat for 500 ms" with
		// the limit. Then note the number of beats in `seen`.
		//@ 3 {
		if (!wait_event_timeout(queue, atomic_read(&beats) != seen ||
					kthread_should_stop(),
					msecs_to_jiffies(limit))) {
			atomic_inc(&late);
			pr_info("no beat for %u ms\n", limit);
		}
		seen = atomic_read(&beats);
		//@ 3 } instead: sleep_or_stop(1000);
	}
	pr_info("the last beat was %d\n", seen);
	return 0;
}

static int __init heartbeat_init(void)
{
	// TODO 4: refuse a period or a limit of 0 with -EINVAL.
	//@ 4 {
	if (!period || !limit)
		return -EINVAL;
	//@ 4 }
	heart = kthread_run(heart_fn, NULL, "heart");
	if (IS_ERR(heart))
		return PTR_ERR(heart);
	// TODO 2: sleep until there was a first beat.
	//@ 2 {
	wait_for_completion(&first);
	//@ 2 }
	watchdog = kthread_run(watchdog_fn, NULL, "watchdog");
	if (IS_ERR(watchdog)) {
		kthread_stop(heart);
		return PTR_ERR(watchdog);
	}
	pr_info("ready\n");
	return 0;
}

static void __exit heartbeat_exit(void)
{
	kthread_stop(watchdog);
	kthread_stop(heart);
	pr_info("%d beats, %d late\n", atomic_read(&beats), atomic_read(&late));
}

module_init(heartbeat_init);
module_exit(heartbeat_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A heartbeat and its watchdog");
MODULE_LICENSE("GPL");
