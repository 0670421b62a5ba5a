// SPDX-License-Identifier: GPL-2.0
/*
 * insmod receives a message from memory that it shares with a thread: it
 * checks the length of the message, and reads the length again to copy.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>

// TODO 1: add one call of msleep(100) to this module, so that a length of 64
// passes the check in every run.

/* Size of the receiver's buffer in bytes. */
#define SIZE 8

/* Length of the message in bytes, which the sender may change at any time. */
static int message_length = 4;
static atomic_t accepted = ATOMIC_INIT(0);
static DECLARE_COMPLETION(done);

static int sender(void *data)
{
	/* insmod begins to receive in this time. */
	msleep(50);
	WRITE_ONCE(message_length, 64);
	kthread_complete_and_exit(&done, 0);
}

/* Returns the number of bytes that a driver would copy into its buffer. */
static noinline int receive(void)
{
	if (READ_ONCE(message_length) > SIZE)
		return -EMSGSIZE;
	//@ 1 {
	msleep(100);
	//@ 1 }
	atomic_inc(&accepted);
	return READ_ONCE(message_length);
}

static int __init double_fetch_find_init(void)
{
	struct task_struct *task = kthread_run(sender, NULL, "sender");
	int length;

	if (IS_ERR(task))
		return PTR_ERR(task);
	length = receive();
	wait_for_completion(&done);
	if (length < 0)
		pr_info("a length above %d was refused\n", SIZE);
	else
		pr_info("a length of %d passed the check\n", length);
	return 0;
}

static void __exit double_fetch_find_exit(void)
{
}

module_init(double_fetch_find_init);
module_exit(double_fetch_find_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A length that is checked and read again");
MODULE_LICENSE("GPL");
