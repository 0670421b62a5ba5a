// SPDX-License-Identifier: GPL-2.0
/*
 * A thread and insmod put a value each into a ring with room for one more,
 * and insmod puts another one when the thread is done.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>

#define SLOTS 4

static int ring[SLOTS];
/* Three slots are in use from the beginning. */
static atomic_t used = ATOMIC_INIT(3);
static atomic_t refused = ATOMIC_INIT(0);
static DECLARE_COMPLETION(done);

static noinline void put(int value)
{
	int index;

	// TODO 1: the last slot must be taken by one producer only.
	//@ 1 {
	index = atomic_fetch_add_unless(&used, 1, SLOTS);
	if (index == SLOTS) {
		atomic_inc(&refused);
		return;
	}
	//@ 1 } instead: if (atomic_read(&used) == SLOTS) {\n	atomic_inc(&refused);
		//@ 1 {
		//@ 1 } instead: return;
	//@ 1 {
	//@ 1 } instead: }\nindex = atomic_fetch_inc(&used);
	/* Drivers have no second check, and write behind the ring. */
	if (index < SLOTS)
		WRITE_ONCE(ring[index], value);
}

static int producer(void *data)
{
	put(2);
	kthread_complete_and_exit(&done, 0);
}

static int __init full_ring_mend_init(void)
{
	struct task_struct *task = kthread_run(producer, NULL, "producer");

	if (IS_ERR(task))
		return PTR_ERR(task);
	put(1);
	wait_for_completion(&done);
	put(3);
	pr_info("%d of %d slots used, %d refused\n", atomic_read(&used), SLOTS,
		atomic_read(&refused));
	return 0;
}

static void __exit full_ring_mend_exit(void)
{
}

module_init(full_ring_mend_init);
module_exit(full_ring_mend_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A ring that gets more than it has room for");
MODULE_LICENSE("GPL");
