// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>

static void __exit startstop_exit(void)
{
	pr_info("bye\n");
}
module_exit(startstop_exit);

MODULE_DESCRIPTION("One module of two files, with a Kbuild of its own");
MODULE_LICENSE("GPL");
