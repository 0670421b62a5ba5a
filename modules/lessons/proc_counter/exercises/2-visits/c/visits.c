// SPDX-License-Identifier: GPL-2.0
/*
 * A file that counts its visitors.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static unsigned int lines = 1;
module_param(lines, uint, 0444);
MODULE_PARM_DESC(lines, "Length of the file in lines");

static struct proc_dir_entry *entry;
static atomic_t visits = ATOMIC_INIT(0);

static int visits_show(struct seq_file *m, void *v)
{
	// TODO 2: write `line L: N visits`, with the number of the line and that
	// of the visits.
	for (unsigned int line = 1; line <= lines; line++)
		//@ 2 {
		seq_printf(m, "line %u: %d visits\n", line, atomic_read(&visits));
		//@ 2 } instead: seq_printf(m, "%u %d", line, atomic_read(&visits));
	return 0;
}

static int visits_open(struct inode *inode, struct file *file)
{
	// TODO 1: count the visitor.
	//@ 1 {
	atomic_inc(&visits);
	//@ 1 }
	return single_open(file, visits_show, NULL);
}

static const struct proc_ops visits_ops = {
	.proc_open	= visits_open,
	.proc_read_iter	= seq_read_iter,
	.proc_lseek	= seq_lseek,
	.proc_release	= single_release,
};

static int __init visits_init(void)
{
	entry = proc_create("visits", 0444, NULL, &visits_ops);
	return entry ? 0 : -ENOMEM;
}

static void __exit visits_exit(void)
{
	proc_remove(entry);
}

module_init(visits_init);
module_exit(visits_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("A file that counts its visitors");
MODULE_LICENSE("GPL");
