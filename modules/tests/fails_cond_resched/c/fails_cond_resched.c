// SPDX-License-Identifier: GPL-2.0
/*
 * Offers the CPU to other tasks again and again, and never ends.
 */

#include <linux/init.h>
#include <linux/module.h>
#include <linux/sched.h>

static noinline void yield_for_ever(void)
{
	/* marker: loop */
	for (;;) cond_resched();
}

static int __init fails_init(void)
{
	yield_for_ever();
	return 0;
}

static void __exit fails_exit(void)
{
}

module_init(fails_init);
module_exit(fails_exit);

MODULE_DESCRIPTION("Offers the CPU to other tasks for ever");
MODULE_LICENSE("GPL");
