/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions of the kernel that kernel_ext calls. bindgen makes bindings.rs of it.
 *
 * A function that is inline or a macro in C has no symbol that Rust could
 * call; a file in helpers wraps it under a name that begins with kernel_ext_.
 */
#ifndef KERNEL_EXT_BINDINGS_HELPER_H
#define KERNEL_EXT_BINDINGS_HELPER_H

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/numa.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/wait.h>

/* The order in which helpers/teardown.c ends what is left. */
enum kernel_ext_kind {
	KERNEL_EXT_THREAD,
	KERNEL_EXT_FILE,
	KERNEL_EXT_FOLDER,
};

/* An entry of the lists in helpers/teardown.c. */
struct kernel_ext_registration {
	struct hlist_node node;
	enum kernel_ext_kind kind;
	/* When this returns, the kernel does not call the module by it any more. */
	void (*end)(struct kernel_ext_registration *registration);
	/* Puts what is left of it into @value, if that is not NULL. */
	void (*take)(struct kernel_ext_registration *registration, void *value);
	void (*free)(struct kernel_ext_registration *registration);
	atomic_t owners;
	bool claimed;
};

void kernel_ext_register(struct kernel_ext_registration *registration);
bool kernel_ext_end(struct kernel_ext_registration *registration, void *value);
void kernel_ext_leave(struct kernel_ext_registration *registration, int count);
int kernel_ext_may_wait_for(const struct task_struct *task);

bool kernel_ext_node_online(int node);

void kernel_ext_set_current_state(unsigned int state);
void kernel_ext_might_sleep(void);
bool kernel_ext_is_stopping(void);
int kernel_ext_sleep_unless(struct wait_queue_head *head, const u32 *wake_ups, u32 seen,
			    bool stopping, unsigned int state, bool io, long *left);
void kernel_ext_init_completion(struct completion *completion);
void kernel_ext_reinit_completion(struct completion *completion);

bool kernel_ext_is_live(void);

void *kernel_ext_pde_data(const struct inode *inode);
void *kernel_ext_seq_private(const struct seq_file *seq);
int kernel_ext_seq_room(struct seq_file *seq);

#endif /* KERNEL_EXT_BINDINGS_HELPER_H */
