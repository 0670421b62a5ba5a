// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>

#include "a_provider.h"

int provided(void)
{
	return 42;
}
EXPORT_SYMBOL_GPL(provided);

MODULE_DESCRIPTION("A function for another module");
MODULE_LICENSE("GPL");
