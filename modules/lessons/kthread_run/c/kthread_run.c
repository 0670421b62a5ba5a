// SPDX-License-Identifier: GPL-2.0
/*
 * Example of kthread_run: a kernel thread that says once a second that it is
 * there.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/sched.h>

static struct task_struct *def_thread;

static int def_thread_task(void *data)
{
	while (!kthread_should_stop()) {
		pr_info("Executing %s\n", __func__);
		msleep(1000);
	}
	return 0;
}

static int __init kthread_run_init(void)
{
	pr_info("Inside thread_init function\n");
	def_thread = kthread_run(def_thread_task, NULL, "kthread_run examples");
	if (IS_ERR(def_thread)) {
		pr_err("Error in creating thread\n");
		return PTR_ERR(def_thread);
	}
	pr_info("thread created successfully\n");
	return 0;
}

static void __exit kthread_run_exit(void)
{
	pr_info("Inside kthread exit function\n");
	if (kthread_stop(def_thread) == -EINTR)
		pr_info("the thread never ran\n");
	pr_info("Destroyed thread\n");
}

module_init(kthread_run_init);
module_exit(kthread_run_exit);

MODULE_AUTHOR("Linux Usr");
MODULE_DESCRIPTION("Example of kthread_run");
MODULE_LICENSE("GPL");
