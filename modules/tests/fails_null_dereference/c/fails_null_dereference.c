// SPDX-License-Identifier: GPL-2.0
/*
 * Follows a pointer that is NULL.
 */

#include <linux/init.h>
#include <linux/module.h>
#include <linux/printk.h>

struct list {
	struct list *next;
	int value;
};

/* Not static: the compiler must not see what it is. */
struct list *fails_null_dereference_list;

static int sum(const struct list *list)
{
	int sum = 0;

	do {
		/* marker: dereference */
		sum += list->value;
		list = list->next;
	} while (list);
	return sum;
}

static noinline int add_up(void)
{
	/* marker: call of sum */
	return 1 + sum(READ_ONCE(fails_null_dereference_list));
}

static int __init fails_init(void)
{
	pr_info("the sum is %d\n", add_up());
	return 0;
}

static void __exit fails_exit(void)
{
}

module_init(fails_init);
module_exit(fails_exit);

MODULE_DESCRIPTION("Follows a pointer that is NULL");
MODULE_LICENSE("GPL");
