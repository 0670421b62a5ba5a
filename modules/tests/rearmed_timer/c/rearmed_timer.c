// SPDX-License-Identifier: GPL-2.0
/*
 * Deletes a timer that arms itself again, and does not wait for its function. If that runs at the
 * time, it arms the timer afterwards.
 */

#include <linux/module.h>
#include <linux/timer.h>

/* Longer ones come at multiples of 32 ms, so that a delay of 1 ms can shift them by 32. */
#define PERIOD msecs_to_jiffies(240)

static unsigned int ticks;

static void tick(struct timer_list *timer)
{
	ticks++;
	mod_timer(timer, jiffies + PERIOD); /* marker: arm */
}

static DEFINE_TIMER(timer, tick);

static int __init rearmed_init(void)
{
	mod_timer(&timer, jiffies + PERIOD);
	return 0;
}

static void __exit rearmed_exit(void)
{
	timer_delete(&timer); /* marker: delete */
	pr_info("%u ticks\n", ticks);
}

module_init(rearmed_init);
module_exit(rearmed_exit);

MODULE_DESCRIPTION("A timer that is not stopped for good");
MODULE_LICENSE("GPL");
