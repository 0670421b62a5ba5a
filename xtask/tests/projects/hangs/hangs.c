// SPDX-License-Identifier: GPL-2.0
#include <linux/completion.h>
#include <linux/module.h>

static DECLARE_COMPLETION(never);

static int __init hangs_init(void)
{
	wait_for_completion(&never);
	return 0;
}
module_init(hangs_init);

static void __exit hangs_exit(void)
{
}
module_exit(hangs_exit);

MODULE_DESCRIPTION("Waits for a completion that never comes");
MODULE_LICENSE("GPL");
