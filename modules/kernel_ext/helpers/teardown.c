// SPDX-License-Identifier: GPL-2.0

#include <linux/list.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/sched/task_stack.h>
#include <linux/spinlock.h>

#include "../bindings_helper.h"

/*
 * Everything by which the kernel can still call this module, and its folders in
 * /proc, of each kind the newest first. Safe Rust can leak a handle (a cycle of
 * Arcs, a panic, mem::forget), but the module's code must not go while
 * something here is left.
 */
static struct list_head registrations[] = {
	[KERNEL_EXT_THREAD] = LIST_HEAD_INIT(registrations[KERNEL_EXT_THREAD]),
	[KERNEL_EXT_FILE] = LIST_HEAD_INIT(registrations[KERNEL_EXT_FILE]),
	[KERNEL_EXT_FOLDER] = LIST_HEAD_INIT(registrations[KERNEL_EXT_FOLDER]),
};
static const char *const names[] = {
	[KERNEL_EXT_THREAD] = "a thread",
	[KERNEL_EXT_FILE] = "a file in /proc",
	[KERNEL_EXT_FOLDER] = "a folder in /proc",
};
static DEFINE_SPINLOCK(lock);

void kernel_ext_register(struct kernel_ext_registration *registration)
{
	registration->owners = 2;
	registration->claimed = false;
	spin_lock(&lock);
	list_add(&registration->list, &registrations[registration->kind]);
	spin_unlock(&lock);
}

/* @count of the two owners leave: the handle, the list, or both. */
static void leave(struct kernel_ext_registration *registration, int count)
{
	bool last;

	spin_lock(&lock);
	registration->owners -= count;
	last = !registration->owners;
	spin_unlock(&lock);
	if (last)
		registration->free(registration);
}

void kernel_ext_leave(struct kernel_ext_registration *registration)
{
	leave(registration, 1);
}

/*
 * Handles can be nested without a bound: a thread's closure owns the handle of
 * another thread, whose closure owns a third one's, or a folder is in a folder.
 */
static bool stack_is_low(void)
{
	return current_stack_pointer - (unsigned long)task_stack_page(current) <
	       THREAD_SIZE / 2;
}

/*
 * Ends what a handle stands for, whose owner has given it up. Returns false
 * without a value if the module's end does that, now or later.
 */
bool kernel_ext_end(struct kernel_ext_registration *registration, void *value)
{
	bool claimed = false;

	if (!stack_is_low()) {
		spin_lock(&lock);
		claimed = !registration->claimed;
		if (claimed)
			list_del(&registration->list);
		registration->claimed = true;
		spin_unlock(&lock);
	}
	if (claimed)
		registration->tear_down(registration, value);
	leave(registration, claimed ? 2 : 1);
	return claimed;
}

static struct kernel_ext_registration *claim_next(void)
{
	struct kernel_ext_registration *next = NULL;

	spin_lock(&lock);
	for (int kind = 0; kind < ARRAY_SIZE(registrations) && !next; kind++)
		next = list_first_entry_or_null(&registrations[kind],
						struct kernel_ext_registration, list);
	if (next) {
		list_del(&next->list);
		next->claimed = true;
	}
	spin_unlock(&lock);
	return next;
}

/*
 * The kernel calls this for each parameter just before it frees a module's
 * memory, after the exit function or after an init that failed, where it may
 * sleep (free_module() in kernel/module/main.c).
 *
 * Threads and files come first: until they are gone, code of the module runs
 * that may use the handle of anything here, and make something new. Whoever is
 * about to tear down something runs in one of them, which waits for that. A
 * folder is torn down when no code of the module runs any more.
 */
static void tear_down_all(void *unused)
{
	struct kernel_ext_registration *next;

	while ((next = claim_next())) {
		pr_warn("%s: the handle of %s was leaked; it ends now\n",
			THIS_MODULE->name, names[next->kind]);
		next->tear_down(next, NULL);
		leave(next, 1);
	}
}

static int refuse(const char *value, const struct kernel_param *param)
{
	return -ENOENT;
}

static const struct kernel_param_ops ops = {
	.set = refuse,
	.free = tear_down_all,
};

/* A parameter without a file in /sys, for the sake of its free function. */
module_param_cb(kernel_ext_teardown, &ops, NULL, 0);
