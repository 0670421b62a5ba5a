// SPDX-License-Identifier: GPL-2.0

#include <linux/kernel.h>

#include "../bindings_helper.h"

void kernel_ext_might_sleep(void)
{
	might_sleep();
}

/* All queues made here are of one class to lockdep; no two locks of it nest. */
void kernel_ext_init_waitqueue_head(struct wait_queue_head *head)
{
	init_waitqueue_head(head);
}
