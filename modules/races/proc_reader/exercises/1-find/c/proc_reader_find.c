// SPDX-License-Identifier: GPL-2.0
/*
 * A file in /proc shows data that rmmod frees before it removes the file.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/poison.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

// TODO 1: add one call of msleep(100) to this module, so that
// readers see freed memory.

struct data {
	int answer;
};

static struct data *data;
static struct proc_dir_entry *entry;

static int show(struct seq_file *m, void *v)
{
	seq_printf(m, "the answer is %d\n", READ_ONCE(data->answer));
	return 0;
}

/* Fills the data before it is freed, as a debugging kernel does. */
static void free_data(void)
{
	memset(data, POISON_FREE, sizeof(*data));
	kfree(data);
}

static int __init proc_reader_find_init(void)
{
	data = kmalloc(sizeof(*data), GFP_KERNEL);
	if (!data)
		return -ENOMEM;
	data->answer = 42;
	entry = proc_create_single(KBUILD_MODNAME, 0444, NULL, show);
	if (!entry) {
		kfree(data);
		return -ENOMEM;
	}
	return 0;
}

static void __exit proc_reader_find_exit(void)
{
	free_data();
	//@ 1 {
	msleep(100);
	//@ 1 }
	proc_remove(entry);
}

module_init(proc_reader_find_init);
module_exit(proc_reader_find_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A file in /proc and data that goes before it");
MODULE_LICENSE("GPL");
