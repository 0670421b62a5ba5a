// SPDX-License-Identifier: GPL-2.0
/*
 * A store that others must not see before earlier ones, in several ways. A plain store of
 * `noise` before and behind each is one that may be held back.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

enum way { RELEASE, WMB, MB, RCU, LOCK, LOCKED, EXCHANGE, ATOMIC, WAYS };

static int data[WAYS], flag[WAYS];
static int noise, mine, copy;
static union {
	u64 whole;
	u32 halves[2];
} overlap;
static int __rcu *pointer;
static atomic_t counter, set;
static DEFINE_SPINLOCK(lock);
static int surprises;
static DECLARE_COMPLETION(done);

static void write_all(void)
{
	WRITE_ONCE(data[RELEASE], 1);
	WRITE_ONCE(noise, 1);
	smp_store_release(&flag[RELEASE], 1);

	WRITE_ONCE(data[WMB], 1);
	WRITE_ONCE(noise, 2);
	smp_wmb();
	WRITE_ONCE(flag[WMB], 1);

	WRITE_ONCE(data[MB], 1);
	WRITE_ONCE(noise, 3);
	smp_mb();
	WRITE_ONCE(flag[MB], 1);

	WRITE_ONCE(data[RCU], 1);
	WRITE_ONCE(noise, 4);
	rcu_assign_pointer(pointer, &data[RCU]);

	spin_lock(&lock);
	WRITE_ONCE(data[LOCK], 1);
	WRITE_ONCE(flag[LOCK], 1);
	spin_unlock(&lock);

	WRITE_ONCE(data[LOCKED], 1);
	WRITE_ONCE(noise, 5);
	atomic_inc(&counter);

	WRITE_ONCE(data[EXCHANGE], 1);
	WRITE_ONCE(noise, 6);
	xchg(&flag[EXCHANGE], 1);

	WRITE_ONCE(data[ATOMIC], 1);
	WRITE_ONCE(noise, 7);
	atomic_set_release(&set, 1);

	/* The task itself: it finds its own store, and the later one of two wins. */
	WRITE_ONCE(mine, 1);
	WRITE_ONCE(noise, 8);
	WRITE_ONCE(copy, READ_ONCE(mine));
	WRITE_ONCE(overlap.halves[1], 1);
	WRITE_ONCE(overlap.whole, 2);
	WRITE_ONCE(noise, 9);
}

static bool is_set(enum way way)
{
	int *seen;
	bool set_too;

	switch (way) {
	case RCU:
		rcu_read_lock();
		seen = rcu_dereference(pointer);
		set_too = seen;
		rcu_read_unlock();
		return set_too;
	case LOCK:
		spin_lock(&lock);
		set_too = READ_ONCE(flag[LOCK]);
		spin_unlock(&lock);
		return set_too;
	case LOCKED:
		return atomic_read_acquire(&counter);
	case ATOMIC:
		return atomic_read_acquire(&set);
	default:
		return smp_load_acquire(&flag[way]);
	}
}

static int reader(void *unused)
{
	/* Other tasks use the memory of all these stores. */
	int seen = READ_ONCE(noise) + READ_ONCE(mine) + READ_ONCE(copy);

	seen += READ_ONCE(overlap.halves[1]) + READ_ONCE(overlap.whole);
	for (enum way way = 0; way < WAYS; way++) {
		while (!is_set(way))
			msleep(1);
		surprises += !READ_ONCE(data[way]);
	}
	surprises += seen < 0;
	kthread_complete_and_exit(&done, 0);
}

static int __init ordered_stores_init(void)
{
	struct task_struct *task = kthread_run(reader, NULL, "reader");

	if (IS_ERR(task))
		return PTR_ERR(task);
	write_all();
	wait_for_completion(&done);
	surprises += READ_ONCE(copy) != 1;
	surprises += READ_ONCE(overlap.whole) != 2;
	pr_info("%d surprises\n", surprises);
	return 0;
}

static void __exit ordered_stores_exit(void)
{
}

module_init(ordered_stores_init);
module_exit(ordered_stores_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("Stores that are in order");
MODULE_LICENSE("GPL");
