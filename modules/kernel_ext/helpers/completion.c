// SPDX-License-Identifier: GPL-2.0

#include "../bindings_helper.h"

void kernel_ext_init_completion(struct completion *completion)
{
	init_completion(completion);
}
