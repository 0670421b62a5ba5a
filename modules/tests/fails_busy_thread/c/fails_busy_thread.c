// SPDX-License-Identifier: GPL-2.0
/*
 * Starts a thread that is busy for ever.
 */

#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>

#include <asm/processor.h>

static int busy(void *data)
{
	/* marker: loop */
	for (;;) cpu_relax();
	return 0;
}

static int __init fails_init(void)
{
	return PTR_ERR_OR_ZERO(kthread_run(busy, NULL, "busy"));
}

static void __exit fails_exit(void)
{
}

module_init(fails_init);
module_exit(fails_exit);

MODULE_DESCRIPTION("Starts a thread that is busy for ever");
MODULE_LICENSE("GPL");
