// SPDX-License-Identifier: GPL-2.0

#include "../bindings_helper.h"

/*
 * reinit_completion() writes without the lock that everybody else takes. With
 * it there is no race for the counter, whoever else uses the completion.
 */
void kernel_ext_reinit_completion(struct completion *completion)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&completion->wait.lock, flags);
	reinit_completion(completion);
	raw_spin_unlock_irqrestore(&completion->wait.lock, flags);
}
