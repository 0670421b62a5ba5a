// SPDX-License-Identifier: GPL-2.0
/*
 * Reads what it has given back.
 */

#include <linux/init.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/slab.h>

static noinline int read_again(const int *value)
{
	/* marker: read */
	return READ_ONCE(*value);
}

static int __init fails_init(void)
{
	int *value = kmalloc(sizeof(*value), GFP_KERNEL);

	if (!value)
		return -ENOMEM;
	*value = 1;
	kfree(value);
	pr_info("the value is %d\n", read_again(value));
	return 0;
}

static void __exit fails_exit(void)
{
}

module_init(fails_init);
module_exit(fails_exit);

MODULE_DESCRIPTION("Reads what it has given back");
MODULE_LICENSE("GPL");
