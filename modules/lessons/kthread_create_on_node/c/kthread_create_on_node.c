// SPDX-License-Identifier: GPL-2.0
/*
 * Example of kthread_create_on_node: a kernel thread whose memory is close to
 * certain CPUs.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/printk.h>
#include <linux/sched.h>

static int node;
module_param(node, int, 0444);
MODULE_PARM_DESC(node, "The NUMA node that the thread's memory shall be on");

static struct task_struct *def_thread;

static int my_thread_fn(void *data)
{
	while (!kthread_should_stop()) {
		pr_info("inside %s\n", __func__);
		msleep(100);
	}
	return 0;
}

static struct task_struct *create_on_node(int node)
{
	if (node < 0 || node >= MAX_NUMNODES || !node_online(node))
		return ERR_PTR(-EINVAL);
	return kthread_create_on_node(my_thread_fn, NULL, node,
				      "kthread_create_on_node example");
}

static int __init kthread_create_on_node_init(void)
{
	pr_info("Inside kthread init function\n");
	def_thread = create_on_node(node);
	if (IS_ERR(def_thread)) {
		pr_err("Error in creating thread\n");
		return PTR_ERR(def_thread);
	}
	pr_info("Thread created successfully\n");
	wake_up_process(def_thread);
	pr_info("wake up process done successfully\n");
	return 0;
}

static void __exit kthread_create_on_node_exit(void)
{
	pr_info("Inside kthread exit function\n");
	if (kthread_stop(def_thread) == -EINTR)
		pr_info("the thread never ran\n");
	pr_info("Destroyed thread\n");
}

module_init(kthread_create_on_node_init);
module_exit(kthread_create_on_node_exit);

MODULE_AUTHOR("Linux Usr");
MODULE_DESCRIPTION("example of kthread_create_on_node");
MODULE_LICENSE("GPL");
