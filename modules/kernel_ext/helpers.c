// SPDX-License-Identifier: GPL-2.0
/*
 * C functions that are inline or macros, given a symbol so that Rust can call
 * them. Each does what its name says and nothing more.
 */

#include <linux/kmemleak.h>
#include <linux/nodemask.h>
#include <linux/sched/task.h>

#include "bindings_helper.h"

void kernel_ext_get_task_struct(struct task_struct *task)
{
	get_task_struct(task);
}

void kernel_ext_put_task_struct(struct task_struct *task)
{
	put_task_struct(task);
}

/*
 * node_online() tests a bit of a bitmap without looking how long the bitmap
 * is, so the range is checked first.
 */
bool kernel_ext_node_online(int node)
{
	return node >= 0 && node < MAX_NUMNODES && node_online(node);
}

void *kernel_ext_pde_data(const struct inode *inode)
{
	return pde_data(inode);
}

/* Where the field lies depends on the kernel's options. */
void *kernel_ext_seq_private(const struct seq_file *seq)
{
	return seq->private;
}

void kernel_ext_kmemleak_not_leak(const void *object)
{
	kmemleak_not_leak(object);
}
