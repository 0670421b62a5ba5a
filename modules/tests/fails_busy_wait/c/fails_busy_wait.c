// SPDX-License-Identifier: GPL-2.0
/*
 * Waits busily, and for ever, with the CPU's interrupts off.
 */

#include <linux/init.h>
#include <linux/irqflags.h>
#include <linux/module.h>

#include <asm/processor.h>

static noinline void wait(void)
{
	local_irq_disable();
	/* marker: wait */
	for (;;) cpu_relax();
}

static int __init fails_init(void)
{
	wait();
	return 0;
}

static void __exit fails_exit(void)
{
}

module_init(fails_init);
module_exit(fails_exit);

MODULE_DESCRIPTION("Waits busily for ever");
MODULE_LICENSE("GPL");
