// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the kernel complain, or prints at the level of a warning itself.
 */

#include <linux/cdev.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/printk.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/string.h>

static char *what = "";
module_param(what, charp, 0444);

/* Mistakes of which the kernel complains at the level of a warning. */

static int init_says_one(void)
{
	return 1;
}

static int same_name_twice(void)
{
	struct kobject *first = kobject_create_and_add("complains", kernel_kobj);
	struct kobject *second = kobject_create_and_add("complains", kernel_kobj);

	kobject_put(second);
	kobject_put(first);
	return 0;
}

static void *seq_start(struct seq_file *file, loff_t *pos)
{
	return *pos < 3 ? pos : NULL;
}

static void *seq_next(struct seq_file *file, void *item, loff_t *pos)
{
	/* *pos does not move. */
	return NULL;
}

static void seq_stop(struct seq_file *file, void *item)
{
}

static int seq_show(struct seq_file *file, void *item)
{
	seq_puts(file, "item\n");
	return 0;
}

static const struct seq_operations seq_operations = {
	.start = seq_start,
	.next = seq_next,
	.stop = seq_stop,
	.show = seq_show,
};

static int seq_next_stays(void)
{
	return proc_create_seq("complains", 0444, NULL, &seq_operations) ? 0 : -ENOMEM;
}

static int driver_twice(void)
{
	static struct platform_driver driver = {
		.driver.name = "complains",
	};
	int error = platform_driver_register(&driver);

	if (error)
		return error;
	platform_driver_register(&driver);
	platform_driver_unregister(&driver);
	return 0;
}

static int folder_in_a_file(void)
{
	struct proc_dir_entry *entry = proc_create_single("complains", 0444, NULL, NULL);

	/* The name is taken. */
	proc_mkdir("complains", NULL);
	proc_remove(entry);
	return 0;
}

/* Messages of the module itself. */

static int own_without_level(void)
{
	printk("Hello, world\n");
	printk("the value is %d, 0x%08x and %pS\n", 5, 6, own_without_level);
	return 0;
}

static int own_error(void)
{
	pr_err("error -5\n");
	pr_err("%s: error %d\n", KBUILD_MODNAME, -5);
	pr_emerg("%s: %s %d\n", KBUILD_MODNAME, "failed", -5);
	return 0;
}

static int own_device(void)
{
	struct platform_device *device = platform_device_register_simple("complains", -1, NULL, 0);

	if (IS_ERR(device))
		return PTR_ERR(device);
	dev_warn(&device->dev, "it is %d degrees\n", 5);
	dev_err(&device->dev, "too hot\n");
	platform_device_unregister(device);
	return 0;
}

static int own_text(void)
{
	char text[64];

	snprintf(text, sizeof(text), "a line of %d words", 5);
	printk(KERN_WARNING "%s\n", text);
	printk("two ");
	printk(KERN_CONT "parts\n");
	return 0;
}

static int own_stack(void)
{
	dump_stack();
	print_hex_dump(KERN_ERR, "raw: ", DUMP_PREFIX_OFFSET, 16, 1, what, strlen(what), true);
	return 0;
}

static int own_many(void)
{
	int i;

	for (i = 0; i < 50; i++)
		pr_warn_ratelimited("line %d\n", i);
	return 0;
}

static const struct {
	const char *what;
	int (*complain)(void);
} kinds[] = {
	{ "init_says_one", init_says_one },
	{ "same_name_twice", same_name_twice },
	{ "seq_next_stays", seq_next_stays },
	{ "driver_twice", driver_twice },
	{ "folder_in_a_file", folder_in_a_file },
	{ "own_without_level", own_without_level },
	{ "own_error", own_error },
	{ "own_device", own_device },
	{ "own_text", own_text },
	{ "own_stack", own_stack },
	{ "own_many", own_many },
};

static int __init complains_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(what, kinds[i].what))
			return kinds[i].complain();
	return 0;
}

static void __exit complains_exit(void)
{
	if (!strcmp(what, "seq_next_stays"))
		remove_proc_entry("complains", NULL);
}

module_init(complains_init);
module_exit(complains_exit);

MODULE_DESCRIPTION("Makes the kernel complain");
MODULE_LICENSE("GPL");
