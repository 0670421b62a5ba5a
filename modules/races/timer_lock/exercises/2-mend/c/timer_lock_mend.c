// SPDX-License-Identifier: GPL-2.0
/*
 * insmod and a timer count under a spinlock. The timer may interrupt insmod on its
 * own CPU, while insmod has the lock.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

#define INTERVAL_MS 4
#define ROUNDS 8

static DEFINE_SPINLOCK(lock);
static int ticks, rounds, sum;
static struct timer_list timer;

static void tick(struct timer_list *unused)
{
	spin_lock(&lock);
	ticks++;
	sum++;
	spin_unlock(&lock);
	mod_timer(&timer, jiffies + msecs_to_jiffies(INTERVAL_MS));
}

static void count(void)
{
	// TODO 1: the timer may not interrupt a task that has the lock.
	//@ 1 {
	spin_lock_bh(&lock);
	//@ 1 } instead: spin_lock(&lock);
	rounds++;
	sum++;
	//@ 1 {
	spin_unlock_bh(&lock);
	//@ 1 } instead: spin_unlock(&lock);
}

static int __init timer_lock_mend_init(void)
{
	timer_setup(&timer, tick, 0);
	mod_timer(&timer, jiffies + msecs_to_jiffies(INTERVAL_MS));
	for (int i = 0; i < ROUNDS; i++) {
		count();
		fsleep(1000);
	}
	timer_delete_sync(&timer);
	if (sum == ticks + rounds)
		pr_info("the sum is right\n");
	return 0;
}

static void __exit timer_lock_mend_exit(void)
{
}

module_init(timer_lock_mend_init);
module_exit(timer_lock_mend_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A spinlock that a timer waits for on its owner's CPU");
MODULE_LICENSE("GPL");
