/* SPDX-License-Identifier: GPL-2.0 */
#define GREETING "hello from two files"
