// SPDX-License-Identifier: GPL-2.0

#include <linux/kernel.h>

#include "../bindings_helper.h"

void kernel_ext_might_sleep(void)
{
	might_sleep();
}
