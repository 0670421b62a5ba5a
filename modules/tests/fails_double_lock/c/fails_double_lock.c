// SPDX-License-Identifier: GPL-2.0
/*
 * Takes a spinlock that it holds.
 */

#include <linux/init.h>
#include <linux/module.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(lock);

static noinline void again(void)
{
	/* marker: second lock */
	spin_lock(&lock);
	spin_unlock(&lock);
}

static int __init fails_init(void)
{
	spin_lock(&lock);
	again();
	spin_unlock(&lock);
	return 0;
}

static void __exit fails_exit(void)
{
}

module_init(fails_init);
module_exit(fails_exit);

MODULE_DESCRIPTION("Takes a spinlock twice");
MODULE_LICENSE("GPL");
