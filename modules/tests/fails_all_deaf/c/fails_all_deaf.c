// SPDX-License-Identifier: GPL-2.0
/*
 * Takes two spinlocks on two CPUs in opposite order, with interrupts off: no
 * CPU is left that could notice.
 */

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(left);
static DEFINE_SPINLOCK(right);
static atomic_t holders;

static noinline void take(spinlock_t *mine, spinlock_t *other)
{
	unsigned long flags;

	spin_lock_irqsave(mine, flags);
	atomic_inc(&holders);
	while (atomic_read(&holders) < 2)
		cpu_relax();
	/* marker: second lock */
	spin_lock(other);
	spin_unlock(other);
	spin_unlock_irqrestore(mine, flags);
}

static int from_the_right(void *unused)
{
	take(&right, &left);
	return 0;
}

static int __init fails_init(void)
{
	struct task_struct *task;

	task = kthread_create(from_the_right, NULL, "deaf");
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, 1);
	wake_up_process(task);
	take(&left, &right);
	return 0;
}

static void __exit fails_exit(void)
{
}

module_init(fails_init);
module_exit(fails_exit);

MODULE_DESCRIPTION("Leaves no CPU that takes interrupts");
MODULE_LICENSE("GPL");
