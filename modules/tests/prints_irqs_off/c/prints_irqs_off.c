// SPDX-License-Identifier: GPL-2.0

#include <linux/irqflags.h>
#include <linux/module.h>

static int __init prints_irqs_off_init(void)
{
	local_irq_disable();
	for (;;)
		pr_info("again\n");
	return 0;
}

static void __exit prints_irqs_off_exit(void)
{
}

module_init(prints_irqs_off_init);
module_exit(prints_irqs_off_exit);

MODULE_DESCRIPTION("Prints without end and without interrupts");
MODULE_AUTHOR("kmodlab");
MODULE_LICENSE("GPL");
