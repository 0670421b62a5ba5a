/* SPDX-License-Identifier: GPL-2.0 */
#define HARDWARE_VALUE 23

int hardware_value(void);
