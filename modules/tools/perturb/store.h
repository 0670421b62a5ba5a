/* SPDX-License-Identifier: GPL-2.0 */
/* Between probe.c and store.c. */

#ifndef PERTURB_STORE_H
#define PERTURB_STORE_H

#include <linux/ptrace.h>
#include <linux/types.h>

unsigned long perturb_operand(unsigned int bits, unsigned long address,
			      const unsigned long *registers);
void perturb_may_hold(bool may);
void perturb_hold_next(u64 nanoseconds);
bool perturb_holds(void);
int perturb_hold(unsigned int place, unsigned int bits, struct pt_regs *regs,
		 unsigned long address);
bool perturb_pass(unsigned int place, unsigned int bits, struct pt_regs *regs,
		  unsigned long address);

#endif
