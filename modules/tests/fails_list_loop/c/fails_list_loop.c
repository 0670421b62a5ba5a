// SPDX-License-Identifier: GPL-2.0
/*
 * Walks a list whose last element points to its first, and never meets the head.
 */

#include <linux/init.h>
#include <linux/list.h>
#include <linux/module.h>

static LIST_HEAD(head);
static struct list_head first, last;

static noinline int count(void)
{
	struct list_head *at;
	int elements = 0;

	/* marker: walk */
	list_for_each(at, &head)
		elements++;
	return elements;
}

static int __init fails_init(void)
{
	list_add_tail(&first, &head);
	list_add_tail(&last, &head);
	last.next = &first;
	pr_info("%d elements\n", count());
	return 0;
}

static void __exit fails_exit(void)
{
}

module_init(fails_init);
module_exit(fails_exit);

MODULE_DESCRIPTION("Walks a corrupt list");
MODULE_LICENSE("GPL");
