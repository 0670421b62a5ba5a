// SPDX-License-Identifier: GPL-2.0

#include <linux/sched.h>

#include "../bindings_helper.h"

bool kernel_ext_is_current(const struct task_struct *task)
{
	return task == current;
}
