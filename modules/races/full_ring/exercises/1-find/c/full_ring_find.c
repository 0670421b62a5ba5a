// SPDX-License-Identifier: GPL-2.0
/*
 * A thread and insmod put a value each into a ring with room for one more.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>

// TODO 1: add one call of msleep(100) to this module, so that both values are
// accepted in every run.

#define SLOTS 4

static int ring[SLOTS];
/* Three slots are in use from the beginning. */
static atomic_t used = ATOMIC_INIT(3);
static atomic_t refused = ATOMIC_INIT(0);
static DECLARE_COMPLETION(done);

static noinline void put(int value)
{
	int index;

	if (atomic_read(&used) == SLOTS) {
		atomic_inc(&refused);
		return;
	}
	//@ 1 {
	msleep(100);
	//@ 1 }
	index = atomic_fetch_inc(&used);
	/* Drivers have no second check, and write behind the ring. */
	if (index < SLOTS)
		WRITE_ONCE(ring[index], value);
}

static int producer(void *data)
{
	/* insmod begins to put its value in this time. */
	msleep(50);
	put(2);
	kthread_complete_and_exit(&done, 0);
}

static int __init full_ring_find_init(void)
{
	struct task_struct *task = kthread_run(producer, NULL, "producer");

	if (IS_ERR(task))
		return PTR_ERR(task);
	put(1);
	wait_for_completion(&done);
	pr_info("%d of %d slots used, %d refused\n", atomic_read(&used), SLOTS,
		atomic_read(&refused));
	return 0;
}

static void __exit full_ring_find_exit(void)
{
}

module_init(full_ring_find_init);
module_exit(full_ring_find_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A ring that gets more than it has room for");
MODULE_LICENSE("GPL");
