// SPDX-License-Identifier: GPL-2.0
/*
 * A work item reads a meter. rmmod cancels the work and frees the meter, and
 * does not wait for the work's function.
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
#include <linux/workqueue.h>

// TODO 1: add one call of msleep(100) to this module, so that
// the work's function uses the meter after it was freed.

#define DELAY_MS 200

struct meter {
	int litres;
};

static struct meter *meter;
static int litres;

static void read_meter(struct work_struct *unused)
{
	//@ 1 {
	msleep(100);
	//@ 1 }
	WRITE_ONCE(litres, meter->litres);
}

static DECLARE_DELAYED_WORK(work, read_meter);

/* Fills the meter before it is freed, as a debugging kernel does. */
static void free_meter(void)
{
	memset(meter, POISON_FREE, sizeof(*meter));
	kfree(meter);
}

static int __init running_work_find_init(void)
{
	meter = kmalloc(sizeof(*meter), GFP_KERNEL);
	if (!meter)
		return -ENOMEM;
	meter->litres = 12;
	return 0;
}

static void __exit running_work_find_exit(void)
{
	schedule_delayed_work(&work, msecs_to_jiffies(DELAY_MS));
	/* The meter is read in this time. */
	usleep_range(220000, 221000);
	/* The work is not pending any more; its function may still run. */
	cancel_delayed_work(&work);
	free_meter();
	/* A function that still runs ends before the module goes. */
	cancel_delayed_work_sync(&work);
	pr_info("the meter showed %d litres\n", READ_ONCE(litres));
}

module_init(running_work_find_init);
module_exit(running_work_find_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("Work that is cancelled while its function runs");
MODULE_LICENSE("GPL");
