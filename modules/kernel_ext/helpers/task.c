// SPDX-License-Identifier: GPL-2.0

#include <linux/sched/task.h>

#include "../bindings_helper.h"

void kernel_ext_get_task_struct(struct task_struct *task)
{
	get_task_struct(task);
}

void kernel_ext_put_task_struct(struct task_struct *task)
{
	put_task_struct(task);
}

bool kernel_ext_is_current(const struct task_struct *task)
{
	return task == current;
}
