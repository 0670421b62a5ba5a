// SPDX-License-Identifier: GPL-2.0
/*
 * Leaves behind whatever its parameter names.
 */

#include <linux/delay.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/hrtimer.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/ioport.h>
#include <linux/kobject.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysctl.h>
#include <linux/timer.h>
#include <linux/version.h>
#include <linux/workqueue.h>

static char *what = "";
module_param(what, charp, 0444);

/* Late: code that runs after the module is gone. */

static void timer_function(struct timer_list *timer)
{
}
static DEFINE_TIMER(timer, timer_function);

static int leave_timer(void)
{
	mod_timer(&timer, jiffies + HZ);
	return 0;
}

static enum hrtimer_restart hrtimer_function(struct hrtimer *timer)
{
	return HRTIMER_NORESTART;
}
static struct hrtimer hrtimer;

static void set_up(struct hrtimer *timer)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	timer->function = hrtimer_function;
#else
	hrtimer_setup(timer, hrtimer_function, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
#endif
}

static int leave_hrtimer(void)
{
	set_up(&hrtimer);
	hrtimer_start(&hrtimer, ms_to_ktime(1000), HRTIMER_MODE_REL);
	return 0;
}

static void work_function(struct work_struct *work)
{
}
static DECLARE_DELAYED_WORK(work, work_function);

static int leave_work(void)
{
	schedule_delayed_work(&work, HZ);
	return 0;
}

/* One grace period after the other, beyond the one for which rmmod waits. */
static struct rcu_head head;
static void callback(struct rcu_head *head)
{
	call_rcu(head, callback);
}

static int leave_callback(void)
{
	call_rcu(&head, callback);
	return 0;
}

/* Later: code that would run an hour after the module is gone. */

static int leave_timer_later(void)
{
	mod_timer(&timer, jiffies + 3600 * HZ);
	return 0;
}

static int leave_own_timer_later(void)
{
	struct timer_list *own = kmalloc(sizeof(*own), GFP_KERNEL);

	if (!own)
		return -ENOMEM;
	timer_setup(own, timer_function, 0);
	mod_timer(own, jiffies + 3600 * HZ);
	return 0;
}

static int leave_hrtimer_later(void)
{
	set_up(&hrtimer);
	hrtimer_start(&hrtimer, ms_to_ktime(3600 * 1000), HRTIMER_MODE_REL);
	return 0;
}

/* The kernel's tree of timers does not lead through the module's memory. */
static int leave_own_hrtimer_later(void)
{
	struct hrtimer *own = kmalloc(sizeof(*own), GFP_KERNEL);

	if (!own)
		return -ENOMEM;
	set_up(own);
	hrtimer_start(own, ms_to_ktime(3600 * 1000), HRTIMER_MODE_REL);
	return 0;
}

static int leave_work_later(void)
{
	schedule_delayed_work(&work, 3600 * HZ);
	return 0;
}

static struct kprobe probe = { .symbol_name = "kernel_power_off" };

static int leave_kprobe(void)
{
	return register_kprobe(&probe);
}

static struct kmem_cache *cache;

static int leave_cache(void)
{
	cache = kmem_cache_create("left_cache", 100, 0, 0, NULL);
	return cache ? 0 : -ENOMEM;
}

/* All of these, and the exit function ends them. */
static int leave_all_later(void)
{
	leave_timer_later();
	leave_hrtimer_later();
	leave_work_later();
	return leave_kprobe() ?: leave_cache();
}

static void end_all_later(void)
{
	timer_delete_sync(&timer);
	hrtimer_cancel(&hrtimer);
	cancel_delayed_work_sync(&work);
	unregister_kprobe(&probe);
	kmem_cache_destroy(cache);
}

/* Threads that sleep in the module's code, and how they hide. */

static void sleep_for_ever(void)
{
	/* marker: sleep */
	msleep(7200 * 1000);
}

static int thread_function(void *data)
{
	sleep_for_ever();
	return 0;
}

static int leave_worker_name(void)
{
	return PTR_ERR_OR_ZERO(kthread_run(thread_function, NULL, "kworker/9:9"));
}

static int leave_created(void)
{
	return PTR_ERR_OR_ZERO(kthread_create(thread_function, NULL, "kworker/9:9"));
}

static void endless_function(struct work_struct *work)
{
	sleep_for_ever();
}
static DECLARE_WORK(endless_work, endless_function);

static int leave_endless_work(void)
{
	schedule_work(&endless_work);
	/* Until a worker executes it. */
	msleep(100);
	return 0;
}

static DECLARE_WORK(second_work, work_function);

/* Behind a work item that does not end. */
static int leave_queued_work(void)
{
	struct workqueue_struct *queue = alloc_ordered_workqueue("left_queue", 0);

	if (!queue)
		return -ENOMEM;
	queue_work(queue, &endless_work);
	queue_work(queue, &second_work);
	msleep(100);
	return 0;
}

static int leave_workqueue(void)
{
	return alloc_workqueue("left_queue", WQ_MEM_RECLAIM | WQ_UNBOUND, 0) ? 0 : -ENOMEM;
}

/* Entries in the kernel's file systems and lists. */

static int leave_misc(void)
{
	static const struct file_operations operations;
	static struct miscdevice device = {
		.minor = MISC_DYNAMIC_MINOR,
		.name = "left_misc",
		.fops = &operations,
	};

	return misc_register(&device);
}

static int leave_device(void)
{
	static const struct file_operations operations;
	int major = register_chrdev(0, "left_device", &operations);

	return major < 0 ? major : 0;
}

static int leave_class(void)
{
	return PTR_ERR_OR_ZERO(class_create("left_class"));
}

/* With a node, below a class that is left too. */
static int leave_node(void)
{
	struct class *class = class_create("left_class");

	if (IS_ERR(class))
		return PTR_ERR(class);
	return PTR_ERR_OR_ZERO(device_create(class, NULL, MKDEV(240, 0), NULL, "left_node"));
}

static int leave_bus(void)
{
	static const struct bus_type bus = { .name = "left_bus" };

	return bus_register(&bus);
}

static int leave_root_device(void)
{
	return PTR_ERR_OR_ZERO(root_device_register("left_root"));
}

static int leave_driver(void)
{
	static struct platform_driver driver = {
		.driver.name = "left_driver",
	};

	return platform_driver_register(&driver);
}

static int leave_object(void)
{
	return kobject_create_and_add("left_object", kernel_kobj) ? 0 : -ENOMEM;
}

static int leave_sysctl(void)
{
	static int value;
	static struct ctl_table table[] = {
		{
			.procname = "left_sysctl",
			.data = &value,
			.maxlen = sizeof(value),
			.mode = 0644,
			.proc_handler = proc_dointvec,
		},
	};

	return register_sysctl_sz("kernel", table, 1) ? 0 : -ENOMEM;
}

static int leave_filesystem(void)
{
	static struct file_system_type filesystem = {
		.name = "left_filesystem",
	};

	return register_filesystem(&filesystem);
}

static irqreturn_t handler(int irq, void *data)
{
	return IRQ_NONE;
}

static int leave_interrupt(void)
{
	return request_irq(5, handler, 0, "left_interrupt", NULL);
}

static int leave_ports(void)
{
	return request_region(0x600, 8, "left_ports") ? 0 : -EBUSY;
}

static int leave_region(void)
{
	return request_mem_region(0xfe000000, 8, "left_region") ? 0 : -EBUSY;
}

/* Memory, a page at a time. */
static int leave_memory(void)
{
	int i;

	for (i = 0; i < 150 << (20 - PAGE_SHIFT); i++)
		if (!__get_free_page(GFP_KERNEL))
			return -ENOMEM;
	return 0;
}

/* Modules that hide themselves or a warning. */

static int leave_hidden(void)
{
	list_del_init(&THIS_MODULE->list);
	return 0;
}

/* Returns to the caller at once: nothing is logged. */
static int return_at_once(struct kprobe *probe, struct pt_regs *regs)
{
	regs->ip = *(unsigned long *)regs->sp;
	regs->sp += sizeof(long);
	regs->ax = 0;
	return 1;
}

static int leave_warning(void)
{
	static struct kprobe print = {
		.symbol_name = "vprintk_emit",
		.pre_handler = return_at_once,
	};
	int error = register_kprobe(&print);

	if (error)
		return error;
	WARN_ON(1);
	unregister_kprobe(&print);
	return 0;
}

static const struct {
	const char *what;
	int (*leave)(void);
} kinds[] = {
	{ "timer", leave_timer },
	{ "hrtimer", leave_hrtimer },
	{ "work", leave_work },
	{ "callback", leave_callback },
	{ "worker_name", leave_worker_name },
	{ "created", leave_created },
	{ "endless_work", leave_endless_work },
	{ "workqueue", leave_workqueue },
	{ "timer_later", leave_timer_later },
	{ "own_timer_later", leave_own_timer_later },
	{ "hrtimer_later", leave_hrtimer_later },
	{ "own_hrtimer_later", leave_own_hrtimer_later },
	{ "work_later", leave_work_later },
	{ "kprobe", leave_kprobe },
	{ "cache", leave_cache },
	{ "all_later", leave_all_later },
	{ "queued_work", leave_queued_work },
	{ "node", leave_node },
	{ "bus", leave_bus },
	{ "root_device", leave_root_device },
	{ "misc", leave_misc },
	{ "device", leave_device },
	{ "class", leave_class },
	{ "driver", leave_driver },
	{ "object", leave_object },
	{ "sysctl", leave_sysctl },
	{ "filesystem", leave_filesystem },
	{ "interrupt", leave_interrupt },
	{ "ports", leave_ports },
	{ "region", leave_region },
	{ "memory", leave_memory },
	{ "hidden", leave_hidden },
	{ "warning", leave_warning },
};

static int __init leaves_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(what, kinds[i].what))
			return kinds[i].leave();
	return 0;
}

static void __exit leaves_exit(void)
{
	if (!strcmp(what, "all_later"))
		end_all_later();
}

module_init(leaves_init);
module_exit(leaves_exit);

MODULE_DESCRIPTION("Leaves behind whatever its parameter names");
MODULE_LICENSE("GPL");
