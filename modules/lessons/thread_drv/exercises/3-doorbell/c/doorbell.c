// SPDX-License-Identifier: GPL-2.0
/*
 * A small logger: each opening of /proc/doorbell is a visitor, and a thread
 * writes the visitors to the kernel's log, slower than they come.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/wait.h>

static unsigned int slow = 100;
module_param(slow, uint, 0444);
MODULE_PARM_DESC(slow, "Milliseconds that the thread needs for a visitor");

/* Number of visitors that can wait for the thread. */
#define SIZE 8

/* The visitors that wait; the oldest one is waiting[first]. */
static int waiting[SIZE];
static int first;
static int count;
static int visitors;
static int lost;
static int printed;
/* Protects all of these. A condition may look at the count without it. */
static DEFINE_MUTEX(lock);
static DECLARE_WAIT_QUEUE_HEAD(queue);

static struct task_struct *drainer;
static struct proc_dir_entry *entry;

/* Adds a visitor, under the lock. Returns false if there is no room. */
static bool log_add(int visitor)
{
	if (count == SIZE)
		return false;
	waiting[(first + count) % SIZE] = visitor;
	WRITE_ONCE(count, count + 1);
	return true;
}

/* Removes the oldest visitor, under the lock. Returns 0 if there is none. */
static int log_remove(void)
{
	int visitor = waiting[first];

	if (!count)
		return 0;
	first = (first + 1) % SIZE;
	WRITE_ONCE(count, count - 1);
	return visitor;
}

static void ring(void)
{
	// TODO 1: count a visitor. Add its number (the first one is 1) to those
	// who wait, or count it as lost if there is no room. Then wake the
	// thread. Nobody may wait here.
	//@ 1 {
	mutex_lock(&lock);
	visitors++;
	if (!log_add(visitors))
		lost++;
	mutex_unlock(&lock);
	wake_up(&queue);
	//@ 1 } instead: (void)log_add;\n(void)&lock;
}

static int show(struct seq_file *m, void *v)
{
	// TODO 3: write "3 visitors, 0 lost" with the numbers of now.
	//@ 3 {
	mutex_lock(&lock);
	seq_printf(m, "%d visitors, %d lost\n", visitors, lost);
	mutex_unlock(&lock);
	//@ 3 }
	return 0;
}

static int doorbell_open(struct inode *inode, struct file *file)
{
	int err = single_open(file, show, NULL);

	if (!err)
		ring();
	return err;
}

static const struct proc_ops doorbell_ops = {
	.proc_open	= doorbell_open,
	.proc_read_iter	= seq_read_iter,
	.proc_lseek	= seq_lseek,
	.proc_release	= single_release,
};

static int drain(void *data)
{
	int visitor;

	// TODO 2: print "visitor 1" with its number for each visitor, the
	// oldest first; count it as printed; and sleep for `slow` ms after it.
	// Sleep while there is none. When the thread must stop, print those who
	// still wait, and return.
	//@ 2 {
	for (;;) {
		wait_event(queue, READ_ONCE(count) > 0 || kthread_should_stop());
		mutex_lock(&lock);
		visitor = log_remove();
		if (visitor)
			printed++;
		mutex_unlock(&lock);
		if (!visitor)
			return 0;
		pr_info("visitor %d\n", visitor);
		msleep(slow);
	}
	//@ 2 } instead: wait_event(queue, kthread_should_stop());\nvisitor = log_remove();
	//@ 2 {
	//@ 2 } instead: return visitor;
}

static int __init doorbell_init(void)
{
	drainer = kthread_run(drain, NULL, "drainer");
	if (IS_ERR(drainer))
		return PTR_ERR(drainer);
	entry = proc_create(KBUILD_MODNAME, 0444, NULL, &doorbell_ops);
	if (!entry) {
		kthread_stop(drainer);
		return -ENOMEM;
	}
	return 0;
}

static void __exit doorbell_exit(void)
{
	// TODO 4: a visitor may still come between these two lines. Whom does
	// the thread then not print?
	//@ 4 {
	proc_remove(entry);
	kthread_stop(drainer);
	//@ 4 } instead: kthread_stop(drainer);\nproc_remove(entry);
	pr_info("%d visitors, %d printed, %d lost\n", visitors, printed, lost);
}

module_init(doorbell_init);
module_exit(doorbell_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A logger with a thread that drains it");
MODULE_LICENSE("GPL");
