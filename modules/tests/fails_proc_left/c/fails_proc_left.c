// SPDX-License-Identifier: GPL-2.0
/*
 * Leaves behind an entry in /proc.
 */

#include <linux/init.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static int left_show(struct seq_file *m, void *v)
{
	seq_puts(m, "left\n");
	return 0;
}

static int __init fails_init(void)
{
	return proc_create_single("left_behind", 0444, NULL, left_show) ? 0 : -ENOMEM;
}

static void __exit fails_exit(void)
{
}

module_init(fails_init);
module_exit(fails_exit);

MODULE_DESCRIPTION("Leaves an entry in /proc behind");
MODULE_LICENSE("GPL");
