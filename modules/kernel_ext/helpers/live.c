// SPDX-License-Identifier: GPL-2.0

#include <linux/compiler.h>
#include <linux/module.h>

#include "../bindings_helper.h"

bool kernel_ext_is_live(void)
{
	return READ_ONCE(THIS_MODULE->state) == MODULE_STATE_LIVE;
}
