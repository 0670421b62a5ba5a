// SPDX-License-Identifier: GPL-2.0

#include <linux/nodemask.h>

#include "../bindings_helper.h"

/*
 * node_online() tests a bit of a bitmap without looking how long the bitmap
 * is, so the range is checked first.
 */
bool kernel_ext_node_online(int node)
{
	return node >= 0 && node < MAX_NUMNODES && node_online(node);
}
