// SPDX-License-Identifier: GPL-2.0
/*
 * Simple module featuring proc read: /proc/counter says for how many seconds
 * it has been there.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/compiler.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#define ENTRY_NAME "counter"
#define PERMS 0644
#define PARENT NULL

static struct proc_dir_entry *entry;
static struct task_struct *kthread;
static int counter;

static int counter_run(void *data)
{
	while (!kthread_should_stop()) {
		ssleep(1);
		/* Only this thread writes; readers want the whole of it. */
		WRITE_ONCE(counter, counter + 1);
	}
	pr_info("The counter thread has terminated\n");
	return counter;
}

static int counter_proc_show(struct seq_file *m, void *v)
{
	pr_info("proc called read\n");
	seq_printf(m, "The counter is now at: %d\n", READ_ONCE(counter));
	return 0;
}

static int counter_proc_open(struct inode *inode, struct file *file)
{
	int err = single_open(file, counter_proc_show, NULL);

	if (!err)
		pr_info("proc called open\n");
	return err;
}

static int counter_proc_release(struct inode *inode, struct file *file)
{
	pr_info("proc called release\n");
	return single_release(inode, file);
}

static const struct proc_ops counter_ops = {
	.proc_open	= counter_proc_open,
	.proc_read_iter	= seq_read_iter,
	.proc_lseek	= seq_lseek,
	.proc_release	= counter_proc_release,
};

static int __init counter_init(void)
{
	pr_info("/proc/%s create\n", ENTRY_NAME);

	kthread = kthread_run(counter_run, NULL, "counter");
	if (IS_ERR(kthread)) {
		pr_err("ERROR! kthread_run\n");
		return PTR_ERR(kthread);
	}

	entry = proc_create(ENTRY_NAME, PERMS, PARENT, &counter_ops);
	if (!entry) {
		pr_err("ERROR! proc_create\n");
		kthread_stop(kthread);
		return -ENOMEM;
	}
	return 0;
}

static void __exit counter_exit(void)
{
	int ret;

	proc_remove(entry);
	pr_info("Removing /proc/%s.\n", ENTRY_NAME);
	ret = kthread_stop(kthread);
	if (ret != -EINTR) {
		pr_info("Counter thread has stopped\n");
		pr_info("The counter stopped at: %d\n", ret);
	}
}

module_init(counter_init);
module_exit(counter_exit);
MODULE_AUTHOR("Britton");
MODULE_DESCRIPTION("Simple module featuring proc read");
MODULE_LICENSE("GPL");
