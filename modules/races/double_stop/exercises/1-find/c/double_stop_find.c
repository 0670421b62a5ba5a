// SPDX-License-Identifier: GPL-2.0
/*
 * A thread is stopped by whoever writes to a file in /proc, and by rmmod:
 * they look whether it is still there, and then take it.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>

// TODO 1: add one call of msleep(100) to this module, so that
// the guest hangs when two write to the file.

static struct task_struct *thread;
static struct proc_dir_entry *entry;

static int idler(void *data)
{
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	/* Whoever stops the thread in this time waits for its end. */
	msleep(200);
	return 0;
}

static void stop_thread(void)
{
	struct task_struct *task = READ_ONCE(thread);

	if (!task)
		return;
	//@ 1 {
	msleep(100);
	//@ 1 }
	WRITE_ONCE(thread, NULL);
	kthread_stop(task);
}

static ssize_t stop_write(struct file *file, const char __user *buf,
			  size_t count, loff_t *pos)
{
	stop_thread();
	return count;
}

static const struct proc_ops stop_ops = {
	.proc_write	= stop_write,
};

static int __init double_stop_find_init(void)
{
	thread = kthread_run(idler, NULL, "idler");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	entry = proc_create(KBUILD_MODNAME, 0200, NULL, &stop_ops);
	if (!entry) {
		kthread_stop(thread);
		return -ENOMEM;
	}
	return 0;
}

static void __exit double_stop_find_exit(void)
{
	proc_remove(entry);
	stop_thread();
	pr_info("the thread has been stopped\n");
}

module_init(double_stop_find_init);
module_exit(double_stop_find_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A thread that two can stop");
MODULE_LICENSE("GPL");
