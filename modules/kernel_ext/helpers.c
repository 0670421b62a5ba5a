// SPDX-License-Identifier: GPL-2.0
/*
 * C functions that are inline or macros, given a symbol so that Rust can call
 * them. Each does what its name says and nothing more.
 */

#include <linux/kernel.h>
#include <linux/nodemask.h>
#include <linux/sched/task.h>

#include "bindings_helper.h"

/*
 * A zero byte in front of a module's information: busybox' modinfo looks for
 * "author=" after a zero byte, and without this one it overlooks the first
 * entry if the section before happens to end in another. Kbuild links this
 * object first.
 */
static const char kernel_ext_modinfo_start[] __used __section(".modinfo") = "";

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

void kernel_ext_set_current_state(unsigned int state)
{
	set_current_state(state);
}

void kernel_ext_might_sleep(void)
{
	might_sleep();
}

/* All queues made here are of one class to lockdep; no two locks of it nest. */
void kernel_ext_init_waitqueue_head(struct wait_queue_head *head)
{
	init_waitqueue_head(head);
}

void kernel_ext_init_completion(struct completion *completion)
{
	init_completion(completion);
}

/*
 * reinit_completion() writes without the lock that everybody else takes. With
 * it there is no race for the counter, whoever else uses the completion.
 */
void kernel_ext_reinit_completion(struct completion *completion)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&completion->wait.lock, flags);
	reinit_completion(completion);
	raw_spin_unlock_irqrestore(&completion->wait.lock, flags);
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
