// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>

#include "a_provider.h"

static int __init first_init(void)
{
	pr_info("the other module returns %d\n", provided());
	return 0;
}
module_init(first_init);

static void __exit first_exit(void)
{
}
module_exit(first_exit);

MODULE_DESCRIPTION("A user of another module's function");
MODULE_LICENSE("GPL");
