// SPDX-License-Identifier: GPL-2.0
/*
 * Lets a file be read that must not be, and crashes when it is removed.
 */

#include <linux/bug.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static int show(struct seq_file *file, void *data)
{
	seq_puts(file, "secret\n");
	return 0;
}

static struct proc_dir_entry *entry;

static int __init fails_later_init(void)
{
	entry = proc_create_single("fails_later", 0444, NULL, show);
	return entry ? 0 : -ENOMEM;
}

static void __exit fails_later_exit(void)
{
	proc_remove(entry);
	BUG();
}

module_init(fails_later_init);
module_exit(fails_later_exit);

MODULE_DESCRIPTION("Does what it must not, and crashes later");
MODULE_LICENSE("GPL");
