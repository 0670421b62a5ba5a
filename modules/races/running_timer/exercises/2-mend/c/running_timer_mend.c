// SPDX-License-Identifier: GPL-2.0
/*
 * A timer makes a lamp blink, and rearms itself. rmmod deletes the timer and
 * frees the lamp, and does not wait for the timer's function.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/container_of.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/poison.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timer.h>

#define INTERVAL_MS 4

struct lamp {
	struct timer_list timer;
	bool is_on;
};

static struct lamp *lamp;

static void blink(struct timer_list *timer)
{
	struct lamp *own = container_of(timer, struct lamp, timer);

	own->is_on = !own->is_on;
	mod_timer(&own->timer, jiffies + msecs_to_jiffies(INTERVAL_MS));
}

/* Fills the lamp before it is freed, as a debugging kernel does. */
static void free_lamp(void)
{
	memset(lamp, POISON_FREE, sizeof(*lamp));
	kfree(lamp);
}

static int __init running_timer_mend_init(void)
{
	lamp = kzalloc(sizeof(*lamp), GFP_KERNEL);
	if (!lamp)
		return -ENOMEM;
	timer_setup(&lamp->timer, blink, 0);
	mod_timer(&lamp->timer, jiffies + msecs_to_jiffies(INTERVAL_MS));
	return 0;
}

static void __exit running_timer_mend_exit(void)
{
	/* The lamp is to be seen for a moment. */
	fsleep(20000);
	// TODO 1: the lamp may go when nobody uses it any more.
	//@ 1 {
	timer_delete_sync(&lamp->timer);
	//@ 1 } instead: timer_delete(&lamp->timer);
	free_lamp();
	pr_info("the lamp is gone\n");
}

module_init(running_timer_mend_init);
module_exit(running_timer_mend_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A timer that is deleted while its function runs");
MODULE_LICENSE("GPL");
