// SPDX-License-Identifier: GPL-2.0
/*
 * Three threads use a printer, which has a mutex and a reference count. The last
 * one frees the printer.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poison.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/string.h>

#define USERS 3

struct printer {
	/* Protects the pages. */
	struct mutex lock;
	refcount_t users;
	int pages;
};

static struct printer *printer;
static DECLARE_COMPLETION(done);

/* Fills the printer before it is freed, as a debugging kernel does. */
static void free_printer(void)
{
	memset(printer, POISON_FREE, sizeof(*printer));
	kfree(printer);
	complete(&done);
}

static void use_time(unsigned int milliseconds)
{
	const unsigned int microseconds = milliseconds * 1000;

	usleep_range(microseconds, microseconds + 100);
}

/* Prints, and frees the printer if nobody else uses it. */
static noinline void print_and_put(unsigned int milliseconds)
{
	bool last;

	mutex_lock(&printer->lock);
	use_time(milliseconds);
	printer->pages++;
	// TODO 1: the mutex must stay until nobody is in mutex_unlock() any more.
	//@ 1 {
	mutex_unlock(&printer->lock);
	last = refcount_dec_and_test(&printer->users);
	//@ 1 } instead: last = refcount_dec_and_test(&printer->users);\nmutex_unlock(&printer->lock);
	if (last)
		free_printer();
}

/* Prints a long text at once. */
static int book(void *data)
{
	print_and_put(20);
	return 0;
}

/* Waits for the book. */
static int letter(void *data)
{
	use_time(5);
	print_and_put(0);
	return 0;
}

/* Comes when the book is printed. */
static int note(void *data)
{
	use_time(22);
	print_and_put(0);
	return 0;
}

static int __init freed_mutex_mend_init(void)
{
	int (*const users[USERS])(void *) = { book, letter, note };
	static const char *const names[USERS] = { "book", "letter", "note" };
	struct task_struct *tasks[USERS];

	printer = kzalloc(sizeof(*printer), GFP_KERNEL);
	if (!printer)
		return -ENOMEM;
	mutex_init(&printer->lock);
	refcount_set(&printer->users, USERS);
	for (int i = 0; i < USERS; i++) {
		tasks[i] = kthread_create(users[i], NULL, "%s", names[i]);
		if (IS_ERR(tasks[i])) {
			int error = PTR_ERR(tasks[i]);

			while (i--)
				kthread_stop(tasks[i]);
			kfree(printer);
			return error;
		}
	}
	/* The book has a CPU of its own. */
	for (int i = 0; i < USERS; i++) {
		kthread_bind(tasks[i], i ? nr_cpu_ids - 1 : 0);
		wake_up_process(get_task_struct(tasks[i]));
	}
	wait_for_completion(&done);
	for (int i = 0; i < USERS; i++)
		kthread_stop_put(tasks[i]);
	pr_info("the printer is gone\n");
	return 0;
}

static void __exit freed_mutex_mend_exit(void)
{
}

module_init(freed_mutex_mend_init);
module_exit(freed_mutex_mend_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A mutex that is freed while it is being unlocked");
MODULE_LICENSE("GPL");
