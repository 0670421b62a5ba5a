// SPDX-License-Identifier: GPL-2.0
/*
 * A counter whose last value is one that a reader could have seen.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/compiler.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static struct proc_dir_entry *entry;
static struct task_struct *thread;
static int value;

static int show(struct seq_file *m, void *v)
{
	seq_printf(m, "%d\n", READ_ONCE(value));
	return 0;
}

static int count(void *data)
{
	while (!kthread_should_stop()) {
		ssleep(1);
		// TODO 1: do not count on when the thread should stop.
		//@ 1 {
		if (kthread_should_stop())
			break;
		//@ 1 }
		WRITE_ONCE(value, value + 1);
	}
	return value;
}

static int __init last_value_init(void)
{
	thread = kthread_run(count, NULL, "last_value");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	entry = proc_create_single("last_value", 0444, NULL, show);
	if (!entry) {
		kthread_stop(thread);
		return -ENOMEM;
	}
	return 0;
}

static void __exit last_value_exit(void)
{
	int last;

	// TODO 2: remove the file first, so that nobody reads while the thread is
	// being stopped.
	//@ 2 {
	proc_remove(entry);
	last = kthread_stop(thread);
	//@ 2 } instead: last = kthread_stop(thread);\nproc_remove(entry);
	if (last != -EINTR)
		pr_info("the last value is %d\n", last);
}

module_init(last_value_init);
module_exit(last_value_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("A counter whose last value somebody could have read");
MODULE_LICENSE("GPL");
