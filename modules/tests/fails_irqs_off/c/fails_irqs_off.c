// SPDX-License-Identifier: GPL-2.0
/*
 * Turns the CPU's interrupts off and never ends.
 */

#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/irqflags.h>
#include <linux/module.h>

static int forever = 1;

static noinline void spin(void)
{
	local_irq_disable();
	/* marker: loop */
	while (READ_ONCE(forever))
		;
	local_irq_enable();
}

static int __init fails_init(void)
{
	spin();
	return 0;
}

static void __exit fails_exit(void)
{
}

module_init(fails_init);
module_exit(fails_exit);

MODULE_DESCRIPTION("Turns the CPU's interrupts off and never ends");
MODULE_LICENSE("GPL");
