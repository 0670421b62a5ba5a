// SPDX-License-Identifier: GPL-2.0
/*
 * A device whose table of functions does not say whose it is: the module can
 * be removed while the device is open.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/printk.h>

static const char text[] = "hello\n";

static ssize_t hello_read(struct file *file, char __user *buf, size_t count,
			  loff_t *pos)
{
	return simple_read_from_buffer(buf, count, pos, text, sizeof(text) - 1);
}

static const struct file_operations hello_fops = {
	/* .owner = THIS_MODULE, */
	.read	= hello_read,
};

static struct miscdevice hello = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= KBUILD_MODNAME,
	.fops	= &hello_fops,
};

static int __init fails_without_owner_init(void)
{
	return misc_register(&hello);
}

static void __exit fails_without_owner_exit(void)
{
	misc_deregister(&hello);
}

module_init(fails_without_owner_init);
module_exit(fails_without_owner_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A device that does not say whose it is");
MODULE_LICENSE("GPL");
