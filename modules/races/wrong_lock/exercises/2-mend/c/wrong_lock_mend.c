// SPDX-License-Identifier: GPL-2.0
/*
 * A shop and a web site sell from one stock, each under a lock of its own.
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

// TODO 1: whoever sells must keep every other seller out.
//@ 1 {
static DEFINE_MUTEX(stock_lock);
//@ 1 } instead: static DEFINE_MUTEX(shop_lock);\nstatic DEFINE_MUTEX(web_lock);
static int stock = 10;
static atomic_t sales = ATOMIC_INIT(0);
static DECLARE_COMPLETION(done);

//@ 1 {
static noinline void sell(void)
//@ 1 } instead: static noinline void sell(struct mutex *lock)
{
	int in_stock;

	//@ 1 {
	mutex_lock(&stock_lock);
	//@ 1 } instead: mutex_lock(lock);
	in_stock = READ_ONCE(stock);
	atomic_inc(&sales);
	WRITE_ONCE(stock, in_stock - 1);
	//@ 1 {
	mutex_unlock(&stock_lock);
	//@ 1 } instead: mutex_unlock(lock);
}

static int web(void *data)
{
	//@ 1 {
	sell();
	//@ 1 } instead: sell(&web_lock);
	kthread_complete_and_exit(&done, 0);
}

static int __init wrong_lock_mend_init(void)
{
	struct task_struct *task = kthread_run(web, NULL, "web");

	if (IS_ERR(task))
		return PTR_ERR(task);
	//@ 1 {
	sell();
	//@ 1 } instead: sell(&shop_lock);
	wait_for_completion(&done);
	pr_info("%d of 10 sold, %d in stock\n", atomic_read(&sales), stock);
	return 0;
}

static void __exit wrong_lock_mend_exit(void)
{
}

module_init(wrong_lock_mend_init);
module_exit(wrong_lock_mend_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("One stock under two locks");
MODULE_LICENSE("GPL");
