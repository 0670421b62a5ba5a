// SPDX-License-Identifier: GPL-2.0
/*
 * Five kernel threads of a driver: each start and each end is waited for.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/task.h>
#include <linux/wait.h>

#define NTHREADS 5

struct example_kthread {
	struct task_struct *thread;
	wait_queue_head_t queue;
	bool terminate;
	struct completion started;
	struct completion ended;
};

static struct example_kthread example[NTHREADS];

static bool terminated(struct example_kthread *kthread)
{
	/* Pairs with smp_store_release() in stop_kthread(). */
	return smp_load_acquire(&kthread->terminate);
}

static int example_thread(void *data)
{
	struct example_kthread *kthread = data;

	complete(&kthread->started);
	pr_info("hi, here is the kernel thread\n");
	while (!wait_event_timeout(kthread->queue, terminated(kthread), HZ))
		pr_info("example thread: thread woke up\n");
	complete(&kthread->ended);
	return 0;
}

static int start_kthread(struct example_kthread *kthread)
{
	init_waitqueue_head(&kthread->queue);
	kthread->terminate = false;
	init_completion(&kthread->started);
	init_completion(&kthread->ended);

	kthread->thread = kthread_create(example_thread, kthread,
					 "example thread");
	if (IS_ERR(kthread->thread))
		return PTR_ERR(kthread->thread);
	/* The thread ends before kthread_stop(), which looks at it still. */
	get_task_struct(kthread->thread);
	wake_up_process(kthread->thread);
	wait_for_completion(&kthread->started);
	return 0;
}

static void stop_kthread(struct example_kthread *kthread)
{
	/* A reader of the flag also sees all that was written before it. */
	smp_store_release(&kthread->terminate, true);
	wake_up(&kthread->queue);
	wait_for_completion(&kthread->ended);
	/* "ended" comes from our own code, which the thread has yet to leave. */
	kthread_stop(kthread->thread);
	put_task_struct(kthread->thread);
}

static int __init thread_drv_init(void)
{
	int i, ret;

	for (i = 0; i < NTHREADS; i++) {
		ret = start_kthread(&example[i]);
		if (ret)
			goto stop;
	}
	return 0;

stop:
	while (i--)
		stop_kthread(&example[i]);
	return ret;
}

static void __exit thread_drv_exit(void)
{
	int i;

	for (i = 0; i < NTHREADS; i++)
		stop_kthread(&example[i]);
}

module_init(thread_drv_init);
module_exit(thread_drv_exit);

MODULE_AUTHOR("Linux Usr");
MODULE_DESCRIPTION("Example of kernel threads in a device driver");
MODULE_LICENSE("GPL");
