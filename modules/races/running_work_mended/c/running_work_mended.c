// SPDX-License-Identifier: GPL-2.0
/* As running_work.c, except that rmmod waits for the work's function. */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/container_of.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/poison.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#define INTERVAL_MS 4
#define READINGS 16

struct meter {
	struct delayed_work work;
	unsigned long *readings;
	unsigned int next;
};

static struct meter *meter;

static void read_meter(struct work_struct *work)
{
	struct meter *own = container_of(to_delayed_work(work), struct meter, work);

	own->readings[own->next] = jiffies;
	own->next = (own->next + 1) % READINGS;
	schedule_delayed_work(&own->work, msecs_to_jiffies(INTERVAL_MS));
}

/* Fills the meter before it is freed, as a debugging kernel does. */
static void free_meter(void)
{
	kfree(meter->readings);
	memset(meter, POISON_FREE, sizeof(*meter));
	kfree(meter);
}

static int __init running_work_mended_init(void)
{
	meter = kzalloc(sizeof(*meter), GFP_KERNEL);
	if (!meter)
		return -ENOMEM;
	meter->readings = kcalloc(READINGS, sizeof(*meter->readings), GFP_KERNEL);
	if (!meter->readings) {
		kfree(meter);
		return -ENOMEM;
	}
	INIT_DELAYED_WORK(&meter->work, read_meter);
	schedule_delayed_work(&meter->work, msecs_to_jiffies(INTERVAL_MS));
	return 0;
}

static void __exit running_work_mended_exit(void)
{
	/* The meter is to be read a few times. */
	fsleep(20000);
	/* Waits for the function, and does not let it queue the work again. */
	cancel_delayed_work_sync(&meter->work);
	free_meter();
	pr_info("the meter is gone\n");
}

module_init(running_work_mended_init);
module_exit(running_work_mended_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("Work that has ended before its meter goes");
MODULE_LICENSE("GPL");
