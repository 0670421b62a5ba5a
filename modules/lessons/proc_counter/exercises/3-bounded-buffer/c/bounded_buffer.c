// SPDX-License-Identifier: GPL-2.0
/*
 * A thread puts numbers into a buffer of a few places, another takes them out,
 * and a file in /proc shows the numbers that are between the two.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/wait.h>

static bool consume = true;
module_param(consume, bool, 0444);
MODULE_PARM_DESC(consume, "Whether there is a thread that takes numbers out");

/* Number of places in the buffer. */
#define SIZE 4

/* The last number; the first one is 1. */
#define LAST 12

/* The numbers between the two threads; the oldest one is numbers[first]. */
static int numbers[SIZE];
static int first;
static int count;
/* Protects the three. A condition may look at the count without it. */
static DEFINE_MUTEX(lock);
/* Both threads wait here, for room and for numbers. */
static DECLARE_WAIT_QUEUE_HEAD(queue);

static struct task_struct *producer;
static struct task_struct *consumer;
static struct proc_dir_entry *entry;

/* Adds a number to a buffer that is not full. */
static void buffer_add(int number)
{
	mutex_lock(&lock);
	numbers[(first + count) % SIZE] = number;
	WRITE_ONCE(count, count + 1);
	mutex_unlock(&lock);
}

/* Removes the oldest number from a buffer that is not empty. */
static int buffer_remove(void)
{
	int number;

	mutex_lock(&lock);
	number = numbers[first];
	first = (first + 1) % SIZE;
	WRITE_ONCE(count, count - 1);
	mutex_unlock(&lock);
	return number;
}

/* Waits for room and adds a number. Returns false if the thread must stop. */
static bool put(int number)
{
	// TODO 1: sleep until there is room in the buffer or the thread must
	// stop. Then add the number, and wake the other thread.
	//@ 1 {
	wait_event(queue, READ_ONCE(count) < SIZE || kthread_should_stop());
	if (kthread_should_stop())
		return false;
	buffer_add(number);
	wake_up(&queue);
	return true;
	//@ 1 } instead: (void)buffer_add;\nreturn false;
}

/* Waits for a number and removes it. Returns 0 if the thread must stop. */
static int take(void)
{
	int number = 0;

	// TODO 2: sleep until there is a number in the buffer or the thread
	// must stop. Then remove the oldest number, and wake the other thread.
	//@ 2 {
	wait_event(queue, READ_ONCE(count) > 0 || kthread_should_stop());
	if (kthread_should_stop())
		return 0;
	number = buffer_remove();
	wake_up(&queue);
	//@ 2 } instead: (void)buffer_remove;
	return number;
}

static int produce(void *data)
{
	for (int number = 1; number <= LAST; number++) {
		if (!put(number))
			break;
		pr_info("put %d\n", number);
	}
	return 0;
}

static int consume_all(void *data)
{
	int number;

	while ((number = take())) {
		pr_info("took %d\n", number);
		msleep(100);
	}
	return 0;
}

static int show(struct seq_file *m, void *v)
{
	mutex_lock(&lock);
	seq_printf(m, "%d of %d:", count, SIZE);
	// TODO 3: write the numbers, the oldest first, each with a space
	// before it.
	//@ 3 {
	for (int i = 0; i < count; i++)
		seq_printf(m, " %d", numbers[(first + i) % SIZE]);
	//@ 3 }
	seq_putc(m, '\n');
	mutex_unlock(&lock);
	return 0;
}

/* Starts a thread that kthread_stop() may find ended. */
static struct task_struct *start(int (*function)(void *), const char *name)
{
	struct task_struct *task = kthread_create(function, NULL, "%s", name);

	if (!IS_ERR(task)) {
		get_task_struct(task);
		wake_up_process(task);
	}
	return task;
}

static void stop(struct task_struct *task)
{
	kthread_stop(task);
	put_task_struct(task);
}

static int __init bounded_buffer_init(void)
{
	int err = -ENOMEM;

	if (consume) {
		consumer = start(consume_all, "consumer");
		if (IS_ERR(consumer))
			return PTR_ERR(consumer);
	}
	producer = start(produce, "producer");
	if (IS_ERR(producer)) {
		err = PTR_ERR(producer);
		goto stop_consumer;
	}
	entry = proc_create_single(KBUILD_MODNAME, 0444, NULL, show);
	if (!entry)
		goto stop_producer;
	return 0;

stop_producer:
	stop(producer);
stop_consumer:
	if (consumer)
		stop(consumer);
	return err;
}

static void __exit bounded_buffer_exit(void)
{
	proc_remove(entry);
	stop(producer);
	if (consumer) {
		// TODO 4: sleep until the consumer has taken all that is in
		// the buffer.
		//@ 4 {
		wait_event(queue, READ_ONCE(count) == 0);
		//@ 4 }
		stop(consumer);
	}
	pr_info("%d left\n", count);
}

module_init(bounded_buffer_init);
module_exit(bounded_buffer_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A bounded buffer between two threads");
MODULE_LICENSE("GPL");
