// SPDX-License-Identifier: GPL-2.0
/*
 * A thread and insmod put a value each into a ring with room for one more,
 * and look for room under the lock of the ring.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>

#define SLOTS 4

static DEFINE_MUTEX(lock);
static int ring[SLOTS];
/* Three slots are in use from the beginning. */
static int used = 3;
static int refused;
static DECLARE_COMPLETION(done);

static void put(int value)
{
	mutex_lock(&lock);
	if (used == SLOTS)
		refused++;
	else
		ring[used++] = value;
	mutex_unlock(&lock);
}

static int producer(void *data)
{
	put(2);
	kthread_complete_and_exit(&done, 0);
}

static int __init full_ring_mended_init(void)
{
	struct task_struct *task = kthread_run(producer, NULL, "producer");

	if (IS_ERR(task))
		return PTR_ERR(task);
	put(1);
	wait_for_completion(&done);
	pr_info("%d of %d slots used, %d refused\n", used, SLOTS, refused);
	return 0;
}

static void __exit full_ring_mended_exit(void)
{
}

module_init(full_ring_mended_init);
module_exit(full_ring_mended_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A ring that gets as much as it has room for");
MODULE_LICENSE("GPL");
