// SPDX-License-Identifier: GPL-2.0
/*
 * Leaves behind a thread that sleeps, and wakes where its module's code was.
 */

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>

static int runs_on(void *data)
{
	while (!kthread_should_stop()) {
		/* marker: sleep */
		msleep(100);
	}
	return 0;
}

static int __init fails_init(void)
{
	return PTR_ERR_OR_ZERO(kthread_run(runs_on, NULL, "runs on"));
}

static void __exit fails_exit(void)
{
}

module_init(fails_init);
module_exit(fails_exit);

MODULE_DESCRIPTION("Leaves a running thread behind");
MODULE_LICENSE("GPL");
