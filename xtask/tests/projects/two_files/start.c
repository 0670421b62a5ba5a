// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>

#include "greeting.h"

static int __init startstop_init(void)
{
	pr_info("%s\n", GREETING);
	return 0;
}
module_init(startstop_init);
