// SPDX-License-Identifier: GPL-2.0
/*
 * A timer makes a lamp blink, and rearms itself. rmmod deletes the timer and
 * frees the lamp, and does not wait for the timer's function.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/compiler.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/poison.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timer.h>

// TODO 1: add one call of mdelay(100) to this module, so that
// the timer's function uses the lamp after it was freed.

/* From the start of the timer to its first call, and between two calls. */
#define FIRST_MS 200
#define INTERVAL_MS 1000

struct lamp {
	int volts;
};

static struct lamp *lamp;
static struct timer_list timer;
static int volts;
static bool is_on;

static void blink(struct timer_list *unused)
{
	is_on = !is_on;
	//@ 1 {
	mdelay(100);
	//@ 1 }
	WRITE_ONCE(volts, lamp->volts);
	mod_timer(&timer, jiffies + msecs_to_jiffies(INTERVAL_MS));
}

/* Fills the lamp before it is freed, as a debugging kernel does. */
static void free_lamp(void)
{
	memset(lamp, POISON_FREE, sizeof(*lamp));
	kfree(lamp);
}

static int __init running_timer_find_init(void)
{
	lamp = kmalloc(sizeof(*lamp), GFP_KERNEL);
	if (!lamp)
		return -ENOMEM;
	lamp->volts = 12;
	timer_setup(&timer, blink, TIMER_PINNED);
	return 0;
}

static void __exit running_timer_find_exit(void)
{
	timer.expires = jiffies + msecs_to_jiffies(FIRST_MS);
	add_timer_on(&timer, 1);
	/* The lamp blinks once in this time. */
	usleep_range(220000, 221000);
	/* The timer is not pending any more; its function may still run. */
	timer_delete(&timer);
	free_lamp();
	/* A function that still runs ends in this time, and arms the timer again. */
	usleep_range(200000, 201000);
	timer_delete(&timer);
	pr_info("the lamp had %d volts\n", READ_ONCE(volts));
}

module_init(running_timer_find_init);
module_exit(running_timer_find_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A timer that is deleted while its function runs");
MODULE_LICENSE("GPL");
