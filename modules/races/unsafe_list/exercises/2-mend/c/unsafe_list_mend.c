// SPDX-License-Identifier: GPL-2.0
/*
 * insmod moves alarms to a list of its own and rings them, while a thread
 * removes one of them from the list that it was in.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>

struct clock_alarm {
	struct hlist_node link;
	/* Number of times that the alarm was rung or cancelled. */
	atomic_t handled;
};

static struct clock_alarm alarms[3];
static HLIST_HEAD(set);
static DEFINE_MUTEX(lock);
static DECLARE_COMPLETION(done);

//@ 1 {
static struct clock_alarm *pop(void)
{
	struct clock_alarm *alarm;

	mutex_lock(&lock);
	alarm = hlist_entry_safe(set.first, struct clock_alarm, link);
	if (alarm)
		hlist_del_init(&alarm->link);
	mutex_unlock(&lock);
	return alarm;
}

//@ 1 }
static noinline void ring_all(void)
{
	struct clock_alarm *alarm;
	//@ 1 {
	//@ 1 } instead: struct hlist_node *next;\nstatic HLIST_HEAD(due);

	// TODO 1: take the alarms out of the list so that cancel() never
	// removes one that you have in hand.
	//@ 1 {
	while ((alarm = pop()))
		atomic_inc(&alarm->handled);
	//@ 1 } instead: mutex_lock(&lock);\nhlist_move_list(&set, &due);\nmutex_unlock(&lock);
	//@ 1 {
	//@ 1 } instead: hlist_for_each_entry_safe(alarm, next, &due, link) {
		//@ 1 {
		//@ 1 } instead: hlist_del_init(&alarm->link);\natomic_inc(&alarm->handled);
	//@ 1 {
	//@ 1 } instead: }
}

static noinline void cancel(struct clock_alarm *alarm)
{
	mutex_lock(&lock);
	if (!hlist_unhashed(&alarm->link)) {
		hlist_del_init(&alarm->link);
		atomic_inc(&alarm->handled);
	}
	mutex_unlock(&lock);
}

static int canceller(void *data)
{
	cancel(&alarms[1]);
	kthread_complete_and_exit(&done, 0);
}

static int __init unsafe_list_mend_init(void)
{
	struct task_struct *task;

	for (int i = 0; i < ARRAY_SIZE(alarms); i++)
		hlist_add_head(&alarms[i].link, &set);
	task = kthread_run(canceller, NULL, "canceller");
	if (IS_ERR(task))
		return PTR_ERR(task);
	ring_all();
	wait_for_completion(&done);
	pr_info("the alarms were handled %d, %d and %d times\n",
		atomic_read(&alarms[0].handled),
		atomic_read(&alarms[1].handled),
		atomic_read(&alarms[2].handled));
	return 0;
}

static void __exit unsafe_list_mend_exit(void)
{
}

module_init(unsafe_list_mend_init);
module_exit(unsafe_list_mend_exit);

MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("A list that two tasks unlink from");
MODULE_LICENSE("GPL");
