// SPDX-License-Identifier: GPL-2.0
/*
 * A shop and a web site sell from one stock, under the lock of the stock.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>

static DEFINE_MUTEX(stock_lock);
static int stock = 10;
static int sales;
static DECLARE_COMPLETION(done);

static void sell(void)
{
	mutex_lock(&stock_lock);
	stock--;
	sales++;
	mutex_unlock(&stock_lock);
}

static int web(void *data)
{
	sell();
	kthread_complete_and_exit(&done, 0);
}

static int __init wrong_lock_mended_init(void)
{
	struct task_struct *task = kthread_run(web, NULL, "web");

	if (IS_ERR(task))
		return PTR_ERR(task);
	sell();
	wait_for_completion(&done);
	pr_info("%d of 10 sold, %d in stock\n", sales, stock);
	return 0;
}

static void __exit wrong_lock_mended_exit(void)
{
}

module_init(wrong_lock_mended_init);
module_exit(wrong_lock_mended_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("One stock under one lock");
MODULE_LICENSE("GPL");
