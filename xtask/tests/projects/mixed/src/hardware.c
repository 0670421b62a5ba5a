// SPDX-License-Identifier: GPL-2.0
#include "hardware.h"

int hardware_value(void)
{
	return HARDWARE_VALUE;
}
