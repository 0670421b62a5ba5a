// SPDX-License-Identifier: GPL-2.0
/*
 * Leaves behind a thread that was made and never started.
 */

#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>

static int nothing(void *data)
{
	return 0;
}

static int __init fails_init(void)
{
	/* It waits in the kernel's own code for its start, and so survives the module. */
	return PTR_ERR_OR_ZERO(kthread_create(nothing, NULL, "left behind"));
}

static void __exit fails_exit(void)
{
}

module_init(fails_init);
module_exit(fails_exit);

MODULE_DESCRIPTION("Leaves a thread behind");
MODULE_LICENSE("GPL");
