// SPDX-License-Identifier: GPL-2.0

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/sched.h>

#include "../bindings_helper.h"

/*
 * Returns -EDEADLK for the current task, which would wait for itself. For
 * another one it checks that the caller may sleep, and returns 0.
 */
int kernel_ext_may_wait_for(const struct task_struct *task)
{
	if (task == current)
		return -EDEADLK;
	might_sleep();
	return 0;
}
