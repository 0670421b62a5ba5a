// SPDX-License-Identifier: GPL-2.0

#include <linux/kthread.h>
#include <linux/sched.h>

#include "../bindings_helper.h"

/* Whether the caller is a kernel thread that is asked to stop. */
bool kernel_ext_is_stopping(void)
{
	return (current->flags & PF_KTHREAD) && kthread_should_stop();
}

/*
 * Sleeps once, unless somebody has woken the queue since *@wake_ups was @seen,
 * or asked this thread to stop since that was @stopping. No code of the module
 * runs while the entry, which is on this stack, is in the queue: were it to
 * panic there, the stack would be freed and the entry would stay.
 */
int kernel_ext_sleep_unless(struct wait_queue_head *head, const u32 *wake_ups, u32 seen,
			    bool stopping, unsigned int state, bool io, long *left)
{
	struct wait_queue_entry entry;
	int interrupted;

	init_wait_entry(&entry, 0);
	interrupted = prepare_to_wait_event(head, &entry, state);
	if (!interrupted && READ_ONCE(*wake_ups) == seen &&
	    kernel_ext_is_stopping() == stopping) {
		if (io)
			io_schedule();
		else
			*left = schedule_timeout(*left);
	}
	finish_wait(head, &entry);
	return interrupted;
}
