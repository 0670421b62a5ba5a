// SPDX-License-Identifier: GPL-2.0
/*
 * Five threads, of which one cannot be started.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/sched.h>

#define NTHREADS 5

static unsigned char fail;
module_param(fail, byte, 0444);
MODULE_PARM_DESC(fail, "The number of the thread that cannot be started; 0 for none");

static struct task_struct *workers[NTHREADS + 1];

static int work(void *data)
{
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/* Starts a thread; fails with -ENOMEM for the one that the parameter names. */
static int start(int number)
{
	struct task_struct *thread;

	if (number == fail)
		return -ENOMEM;
	thread = kthread_run(work, NULL, "fourth_fails");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	workers[number] = thread;
	pr_info("thread %d started\n", number);
	return 0;
}

static void stop(int number)
{
	kthread_stop(workers[number]);
	pr_info("thread %d stopped\n", number);
}

static int __init fourth_fails_init(void)
{
	int number, ret;

	for (number = 1; number <= NTHREADS; number++) {
		ret = start(number);
		// TODO 1: if that fails, write `thread N cannot be started` to
		// the log as an error, and let init fail with the error; stop
		// the threads before it.
		//@ 1 {
		if (ret)
			goto failed;
		//@ 1 } instead: if (ret)\n	continue;
	}
	return 0;
	//@ 1 {

failed:
	pr_err("thread %d cannot be started\n", number);
	while (--number >= 1)
		stop(number);
	return ret;
	//@ 1 }
}

static void __exit fourth_fails_exit(void)
{
	// TODO 2: stop the threads from the last to the first.
	//@ 2 {
	for (int number = NTHREADS; number >= 1; number--)
		stop(number);
	//@ 2 } instead: for (int number = 1; number <= NTHREADS; number++)\n	stop(number);
}

module_init(fourth_fails_init);
module_exit(fourth_fails_exit);

MODULE_AUTHOR("You");
MODULE_DESCRIPTION("Five threads, of which one cannot be started");
MODULE_LICENSE("GPL");
