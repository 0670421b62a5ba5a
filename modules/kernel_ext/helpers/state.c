// SPDX-License-Identifier: GPL-2.0

#include "../bindings_helper.h"

void kernel_ext_set_current_state(unsigned int state)
{
	set_current_state(state);
}
