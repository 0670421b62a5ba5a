// SPDX-License-Identifier: GPL-2.0
/*
 * A thread on the node that the one who loads the module names, or on any.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/numa.h>
#include <linux/printk.h>
#include <linux/sched.h>

static int node = NUMA_NO_NODE;
module_param(node, int, 0444);
MODULE_PARM_DESC(node, "The node of the thread's memory; -1 for any");

static struct task_struct *thread;

static int work(void *data)
{
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/* Makes the thread; NUMA_NO_NODE, which is -1, stands for any node. */
static struct task_struct *create(int node)
{
	// TODO 1: ask for the node. If it is neither NUMA_NO_NODE nor a node that
	// is there, return the error EINVAL.
	//@ 1 {
	if (node != NUMA_NO_NODE &&
	    (node < 0 || node >= MAX_NUMNODES || !node_online(node)))
		return ERR_PTR(-EINVAL);
	return kthread_create_on_node(work, NULL, node, "any_node");
	//@ 1 } instead: return kthread_create(work, NULL, "any_node");
}

static int __init any_node_init(void)
{
	thread = create(node);
	// TODO 2: if the thread cannot be made, write `no thread on node N` to the
	// log as an error, and let init fail with the error.
	//@ 2 {
	if (IS_ERR(thread)) {
		pr_err("no thread on node %d\n", node);
		return PTR_ERR(thread);
	}
	//@ 2 } instead: if (IS_ERR(thread))\n	thread = create(NUMA_NO_NODE);
	wake_up_process(thread);
	pr_info("a thread on node %d\n", node);
	return 0;
}

static void __exit any_node_exit(void)
{
	kthread_stop(thread);
}

module_init(any_node_init);
module_exit(any_node_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("A thread on a node, or on any");
MODULE_LICENSE("GPL");
