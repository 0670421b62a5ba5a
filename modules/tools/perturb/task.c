// SPDX-License-Identifier: GPL-2.0
/*
 * The task that has reached a breakpoint of probe.c: its name, its delay, and its
 * report to the host.
 */

#include <linux/hrtimer.h>
#include <linux/io.h>
#include <linux/pid.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/task.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

/* Declared in stop.rs. */
bool perturb_may_sleep(void);
void perturb_delay(u64 nanoseconds, u64 spin);
void perturb_begin_late(u64 nanoseconds);
u64 perturb_now(void);
void perturb_print(const char *text, unsigned long length);
int perturb_current(char name[TASK_COMM_LEN]);

/*
 * The name of the interrupt that runs, or NULL if a task does. A breakpoint's
 * handler counts as an NMI, which is not that of the code with the breakpoint.
 */
static const char *interrupt(void)
{
	unsigned int count = preempt_count();

	if (in_nmi())
		count -= NMI_OFFSET + HARDIRQ_OFFSET;
	if (count & (NMI_MASK | HARDIRQ_MASK))
		return "hardirq";
	return count & SOFTIRQ_OFFSET ? "softirq" : NULL;
}

static void do_nothing(struct work_struct *work)
{
}

static DECLARE_WORK(waiting, do_nothing);

/*
 * The scheduler gives a woken task a CPU that runs the idle task, whatever
 * interrupt keeps the task from running there. A work item that waits on this
 * CPU makes the CPU a busy one, and tasks go to another.
 */
static void occupy_cpu(void)
{
	if (interrupt() && is_idle_task(current))
		schedule_work_on(raw_smp_processor_id(), &waiting);
}

/* The task's state may say that it is about to sleep for another reason. */
bool perturb_may_sleep(void)
{
	return preemptible() && !rcu_preempt_depth() &&
	       READ_ONCE(current->__state) == TASK_RUNNING;
}

/*
 * Keeps the task or interrupt here for a number of nanoseconds. A task that may
 * sleep does, so that others get its CPU; otherwise it spins, with interrupts as
 * they are.
 */
static void keep(u64 nanoseconds, u64 spin)
{
	u64 begin = ktime_get_mono_fast_ns();
	u64 passed;

	if (!perturb_may_sleep())
		occupy_cpu();
	while ((passed = ktime_get_mono_fast_ns() - begin) < nanoseconds) {
		if (perturb_may_sleep()) {
			ktime_t rest = ns_to_ktime(nanoseconds - passed);

			set_current_state(TASK_UNINTERRUPTIBLE);
			schedule_hrtimeout(&rest, HRTIMER_MODE_REL);
		} else if (passed < spin) {
			cpu_relax();
		} else {
			return;
		}
	}
}

/* kmodlab's debugger stops here: a stop at the lesson's beginning would change times. */
void perturb_delay(u64 nanoseconds, u64 spin)
{
	keep(nanoseconds, spin);
}

/* The process that creates all kernel threads (kernel/kthread.c). */
#define KTHREADD 2

/*
 * A guest resumes from one snapshot each time, so its tasks would be on the same
 * CPUs in each run. The time's last bits choose that of the task that begins the
 * lesson, and that of the one which creates threads.
 */
static void place_tasks(u64 nanoseconds)
{
	unsigned int first = nanoseconds & 1, second = nanoseconds >> 1 & 1;
	struct task_struct *task;

	if (num_online_cpus() < 2)
		return;
	set_cpus_allowed_ptr(current, cpumask_of(first));
	set_cpus_allowed_ptr(current, cpu_possible_mask);
	rcu_read_lock();
	task = pid_task(find_vpid(KTHREADD), PIDTYPE_PID);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	if (!task)
		return;
	/* It sleeps, and moves when it is woken. A new thread may run anywhere. */
	set_cpus_allowed_ptr(task, cpumask_of(second));
	put_task_struct(task);
}

void perturb_begin_late(u64 nanoseconds)
{
	keep(nanoseconds, 0);
	place_tasks(nanoseconds);
}

/*
 * Lines of several tasks do not mix. A breakpoint's handler counts as an NMI, in
 * which lockdep allows no other way to take a lock; it interrupts the module
 * under test, and so never the owner of this lock.
 */
void perturb_print(const char *text, unsigned long length)
{
	static DEFINE_RAW_SPINLOCK(lock);
	unsigned long flags;

	if (in_nmi()) {
		while (!raw_spin_trylock_irqsave(&lock, flags))
			cpu_relax();
	} else {
		raw_spin_lock_irqsave(&lock, flags);
	}
	outsb(0xe9, text, length);
	raw_spin_unlock_irqrestore(&lock, flags);
}

/*
 * Stores the name of the task that runs and returns its number. An interrupt
 * has a name of its own, and -1 minus the number of its CPU: the task that it
 * interrupts has nothing to do with it. All workers of the kernel have one
 * name, because which of them executes a work item depends on its CPU.
 */
int perturb_current(char name[TASK_COMM_LEN])
{
	const char *of_interrupt = interrupt();
	const char *of_task = current->flags & PF_WQ_WORKER ? "kworker" : current->comm;

	strscpy_pad(name, of_interrupt ?: of_task, TASK_COMM_LEN);
	if (of_interrupt)
		return -1 - raw_smp_processor_id();
	return task_pid_nr(current);
}

u64 perturb_now(void)
{
	return local_clock();
}
