// SPDX-License-Identifier: GPL-2.0
/*
 * Writes to the port of QEMU's device pvpanic without end. QEMU sends an event for each write.
 */

#include <linux/io.h>
#include <linux/module.h>

static int __init fails_init(void)
{
	for (;;) outb(1, 0x505);
	return 0;
}

static void __exit fails_exit(void)
{
}

module_init(fails_init);
module_exit(fails_exit);

MODULE_DESCRIPTION("Causes events of QEMU without end");
MODULE_LICENSE("GPL");
