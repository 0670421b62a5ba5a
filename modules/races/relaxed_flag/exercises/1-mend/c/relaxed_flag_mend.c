// SPDX-License-Identifier: GPL-2.0
/*
 * insmod writes a date and then a flag, and a thread reads the date when it
 * sees the flag: the lines are in order, the stores are not.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/compiler.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>

static bool ready;
static int year, month, day;
static int seen[3];
static DECLARE_COMPLETION(done);

static int reader(void *data)
{
	// TODO 1: this load is the other half of the pair.
	//@ 1 {
	/* Pairs with smp_store_release() in write_date(). */
	while (!smp_load_acquire(&ready))
		schedule_timeout_uninterruptible(1);
	//@ 1 } instead: while (!READ_ONCE(ready))\n	schedule_timeout_uninterruptible(1);
	seen[0] = READ_ONCE(year);
	seen[1] = READ_ONCE(month);
	seen[2] = READ_ONCE(day);
	kthread_complete_and_exit(&done, 0);
}

static void write_date(void)
{
	WRITE_ONCE(year, 1991);
	WRITE_ONCE(month, 8);
	WRITE_ONCE(day, 25);
	// TODO 1: whoever sees this store must see those above, on every CPU.
	//@ 1 {
	/* Pairs with smp_load_acquire() in reader(). */
	smp_store_release(&ready, true);
	//@ 1 } instead: WRITE_ONCE(ready, true);
}

static int __init relaxed_flag_mend_init(void)
{
	struct task_struct *task = kthread_run(reader, NULL, "reader");

	if (IS_ERR(task))
		return PTR_ERR(task);
	write_date();
	wait_for_completion(&done);
	pr_info("the date is %04d-%02d-%02d\n", seen[0], seen[1], seen[2]);
	return 0;
}

static void __exit relaxed_flag_mend_exit(void)
{
}

module_init(relaxed_flag_mend_init);
module_exit(relaxed_flag_mend_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A flag that says nothing about the data before it");
MODULE_LICENSE("GPL");
