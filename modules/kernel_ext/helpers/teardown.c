// SPDX-License-Identifier: GPL-2.0

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/spinlock.h>

#include "../bindings_helper.h"

/*
 * Everything by which the kernel can still call this module, and its folders in
 * /proc, of each kind the newest first. Safe Rust can leak a handle (a cycle of
 * Arcs, a panic, mem::forget), but the module's code must not go while
 * something here is left.
 */
static struct hlist_head registrations[KERNEL_EXT_FOLDER + 1];
/* Registrations that a task is ending. */
static HLIST_HEAD(ending);

/* Arrays of characters, because a pointer needs an entry in the module's file. */
static const char names[][sizeof("a folder in /proc")] = {
	[KERNEL_EXT_THREAD] = "a thread",
	[KERNEL_EXT_FILE] = "a file in /proc",
	[KERNEL_EXT_FOLDER] = "a folder in /proc",
};
static DEFINE_SPINLOCK(lock);

/*
 * Whether anything was ever registered. Without it, the lock of a module that
 * registers nothing would be used for the first time in tear_down_all(). The kernel
 * no longer counts the memory as a module's then, so lockdep takes the lock for one
 * that nobody has initialised, and disables itself.
 *
 * It is never reset, because a task may have the lock while all lists are empty. If
 * it is false when tear_down_all() reads it without the lock, it stays false: no
 * thread or file of a leaked handle can make the first registration. That is made
 * by the init function, by the exit function, or by a callback for which one of them
 * or the kernel has waited.
 */
static bool used;

/* The caller has set @registration's kind and functions, and the rest to zeros. */
void kernel_ext_register(struct kernel_ext_registration *registration)
{
	atomic_set(&registration->owners, 2);
	spin_lock(&lock);
	WRITE_ONCE(used, true);
	hlist_add_head(&registration->node, &registrations[registration->kind]);
	spin_unlock(&lock);
}

/* @count of the two owners leave: the handle, the list, or both. */
void kernel_ext_leave(struct kernel_ext_registration *registration, int count)
{
	if (atomic_sub_and_test(count, &registration->owners))
		registration->free(registration);
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

/* The caller has the lock. */
static void claim(struct kernel_ext_registration *registration)
{
	registration->claimed = true;
	hlist_del(&registration->node);
	hlist_add_head(&registration->node, &ending);
}

/* Returns the newest, or NULL. */
static struct kernel_ext_registration *first_of(const struct hlist_head *list)
{
	return hlist_entry_safe(list->first, struct kernel_ext_registration, node);
}

/* Called without the lock by the task that claimed it, once. */
static void tear_down(struct kernel_ext_registration *registration, void *value)
{
	registration->end(registration);
	spin_lock(&lock);
	hlist_del(&registration->node);
	spin_unlock(&lock);
	registration->take(registration, value);
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
			claim(registration);
		spin_unlock(&lock);
	}
	if (claimed)
		tear_down(registration, value);
	kernel_ext_leave(registration, claimed ? 2 : 1);
	return claimed;
}

/* Threads before files before folders, and no kind after @last. */
static struct kernel_ext_registration *claim_next(enum kernel_ext_kind last)
{
	struct kernel_ext_registration *next = NULL;

	spin_lock(&lock);
	for (int kind = 0; kind <= last && !next; kind++)
		next = first_of(&registrations[kind]);
	if (next)
		claim(next);
	spin_unlock(&lock);
	return next;
}

static void tear_down_up_to(enum kernel_ext_kind last)
{
	struct kernel_ext_registration *next;

	while ((next = claim_next(last))) {
		pr_warn("%s: the handle of %s was leaked; it ends now\n",
			THIS_MODULE->name, names[next->kind]);
		tear_down(next, NULL);
		kernel_ext_leave(next, 1);
	}
}

/*
 * When all code of the module has ended and yet something is being ended, the
 * task that did so was killed by an oops in the middle: in the release function
 * of a file that it removed. The kernel can call the same function for another
 * process that has the file open, at any later time, so the module stays.
 */
static void stay_while_ending(void)
{
	/* Nobody else uses the list any more, so the lock is not needed. */
	struct kernel_ext_registration *first = first_of(&ending);

	if (!first)
		return;
	pr_err("%s: a task was killed while it removed %s; the module stays for ever\n",
	       THIS_MODULE->name, names[first->kind]);
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule();
	}
}

/*
 * The kernel calls this for each parameter just before it frees a module's
 * memory, after the exit function or after an init that failed, where it may
 * sleep (free_module() in kernel/module/main.c).
 *
 * Threads and files come first: until they are gone, code of the module runs
 * that may use the handle of anything here, and make something new. A task that
 * is tearing down something runs in one of them, which waits for that unless an
 * oops kills the task. A folder is torn down when no code of the module runs any
 * more.
 */
static void tear_down_all(void *unused)
{
	if (!READ_ONCE(used))
		return;
	tear_down_up_to(KERNEL_EXT_FILE);
	stay_while_ending();
	tear_down_up_to(KERNEL_EXT_FOLDER);
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
