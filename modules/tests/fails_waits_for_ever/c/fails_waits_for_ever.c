// SPDX-License-Identifier: GPL-2.0
/*
 * Waits for an event that never comes, in a sleep that a signal can end.
 */

#include <linux/init.h>
#include <linux/module.h>
#include <linux/wait.h>

static DECLARE_WAIT_QUEUE_HEAD(queue);
static int event;

static noinline int wait_for_ever(void)
{
	/* marker: wait */
	return wait_event_interruptible(queue, READ_ONCE(event));
}

static int __init fails_init(void)
{
	return wait_for_ever();
}

static void __exit fails_exit(void)
{
}

module_init(fails_init);
module_exit(fails_exit);

MODULE_DESCRIPTION("Waits for an event that never comes");
MODULE_LICENSE("GPL");
