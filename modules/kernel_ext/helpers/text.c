// SPDX-License-Identifier: GPL-2.0

#include <linux/slab.h>
#include <linux/string.h>

#include "../bindings_helper.h"

char *kernel_ext_copy_text(const char *text)
{
	return kstrdup(text, GFP_KERNEL);
}

void kernel_ext_free_text(char *text)
{
	kfree(text);
}
