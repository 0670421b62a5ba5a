// SPDX-License-Identifier: GPL-2.0

#include <linux/compiler.h>

/*
 * A zero byte in front of a module's information: busybox' modinfo looks for
 * "author=" after a zero byte, and without this one it overlooks the first
 * entry if the section before happens to end in another. Kbuild links this
 * object first.
 */
static const char kernel_ext_modinfo_start[] __used __section(".modinfo") = "";
