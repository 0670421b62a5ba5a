// SPDX-License-Identifier: GPL-2.0
/*
 * Holds back a store of another module past the stores that follow it, as a CPU
 * with weakly ordered stores may do (OZZ: Jeong et al., SOSP 2024).
 *
 * The task skips the store, executes the instructions after it up to a given
 * one, stays there for some time, and executes the store. Others meanwhile see the later
 * stores without the earlier one. xtask/src/schedule/held_store.rs chooses
 * the store and the end: between them there is no branch, no call and nothing that
 * orders stores, and each instruction that uses memory has a breakpoint.
 *
 * From the store to the end, the task has interrupts disabled. So nothing else
 * runs on its CPU, whose own code would see the store on any hardware.
 */

#include <linux/compiler.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <asm/processor.h>

#include "store.h"

/* Declared in stop.rs. */
void perturb_hold_between(unsigned int place, unsigned int end,
			  void (*passed)(unsigned int),
			  void (*stored)(u64 nanoseconds));

/* The place of the store, and the one that the task reaches before it executes it. */
static unsigned int first = -1, end;
static void (*passed)(unsigned int place);
static void (*stored)(u64 nanoseconds);

/* Whether all breakpoints are set. */
static bool may_hold;

/* The task whose next instruction is the store, and the time for which it is held. */
static struct task_struct *next;
static u64 next_time;

/* The store that is held. Only its task uses the other fields, as long as this is set. */
static struct task_struct *holder;
static unsigned long target, value, flags;
static unsigned int size;
static u64 held_time;

static long displacement_at(const u8 *code, bool is_long)
{
	s32 distance;

	if (!is_long)
		return (s8)*code;
	memcpy(&distance, code, sizeof(distance));
	return distance;
}

/*
 * Returns the address of the memory that the instruction at an address uses, or 0.
 * The bits of an operand are, from the lowest: the number of the base register (5
 * bits; 16 is the next instruction), that of the index (5), the logarithm of its
 * scale (2), the distance of the displacement from the instruction's beginning, or
 * 0 (4), whether it has four bytes and not one (1), and the instruction's length
 * (4). The numbers of registers are the processor's; 31 is none. The kernel has
 * relocated the displacement, so it is read here.
 *
 * Near a held store follow the logarithm of the number of bytes (2), and the
 * register whose value is stored (5; 16 is a constant at the instruction's end).
 */
unsigned long perturb_operand(unsigned int bits, unsigned long address,
			      const unsigned long *registers)
{
	unsigned int base = bits & 31, index = bits >> 5 & 31, scale = bits >> 10 & 3;
	unsigned int displacement = bits >> 12 & 15, length = bits >> 17 & 15;
	const u8 *code = (const u8 *)address + displacement;
	unsigned long sum = 0;

	if (!bits)
		return 0;
	if (base < 16)
		sum = registers[base];
	else if (base == 16)
		sum = address + length;
	if (index < 16)
		sum += registers[index] << scale;
	if (displacement)
		sum += displacement_at(code, bits & 1 << 16);
	return sum;
}

static void in_order(unsigned long registers[16], const struct pt_regs *regs)
{
	const unsigned long values[16] = {
		regs->ax, regs->cx, regs->dx, regs->bx, regs->sp, regs->bp,
		regs->si, regs->di, regs->r8, regs->r9, regs->r10, regs->r11,
		regs->r12, regs->r13, regs->r14, regs->r15,
	};

	memcpy(registers, values, sizeof(values));
}

static unsigned long used_by(unsigned int bits, const struct pt_regs *regs,
			     unsigned long address)
{
	unsigned long registers[16];

	in_order(registers, regs);
	return perturb_operand(bits, address, registers);
}

static unsigned long value_of(unsigned int bits, const struct pt_regs *regs,
			      unsigned long address)
{
	unsigned int source = bits >> 23 & 31, length = bits >> 17 & 15;
	unsigned long registers[16];

	if (source < 16) {
		in_order(registers, regs);
		return registers[source];
	}
	/* A constant has at most four bytes, and its sign fills eight. */
	switch (size) {
	case 1:
		return *((const u8 *)address + length - 1);
	case 2:
		return (u8)displacement_at((const u8 *)address + length - 2, false) |
		       displacement_at((const u8 *)address + length - 1, false) << 8;
	default:
		return displacement_at((const u8 *)address + length - 4, true);
	}
}

/*
 * Reports whether an address is that of memory that tasks share, and not of a
 * device, of user space, or of this task's stack: the kernel maps
 * devices and stacks where vmalloc() has its memory.
 */
static bool is_shared(unsigned long address)
{
	if (address >= MODULES_VADDR && address < MODULES_END)
		return true;
	return virt_addr_valid((void *)address) &&
	       !object_is_on_stack((void *)address);
}

void perturb_hold_between(unsigned int place, unsigned int last,
			  void (*on_passed)(unsigned int), void (*on_stored)(u64))
{
	passed = on_passed;
	stored = on_stored;
	end = last;
	first = place;
}

void perturb_may_hold(bool may)
{
	WRITE_ONCE(may_hold, may);
}

/*
 * The calling task will execute the instruction at the place of the store, with
 * registers that perturb_hold() sees.
 */
void perturb_hold_next(u64 nanoseconds)
{
	struct task_struct *before = NULL;

	if (READ_ONCE(may_hold))
		before = cmpxchg(&next, NULL, current);
	if (!READ_ONCE(may_hold) || (before && before != current))
		stored(0);
	else
		next_time = nanoseconds;
}

bool perturb_holds(void)
{
	return READ_ONCE(holder) == current;
}
NOKPROBE_SYMBOL(perturb_holds);

/*
 * Called by a task in the breakpoint before the instruction at a place. Returns 1
 * if the task goes on behind the instruction, which is held, and otherwise 0.
 */
int perturb_hold(unsigned int place, unsigned int bits, struct pt_regs *regs,
		 unsigned long address)
{
	unsigned long used;

	if (place != first || READ_ONCE(next) != current)
		return 0;
	used = used_by(bits, regs, address);
	if (!is_shared(used) || cmpxchg(&holder, NULL, current)) {
		WRITE_ONCE(next, NULL);
		stored(0);
		return 0;
	}
	target = used;
	size = 1 << (bits >> 21 & 3);
	value = value_of(bits, regs, address);
	held_time = next_time;
	WRITE_ONCE(next, NULL);
	flags = regs->flags & X86_EFLAGS_IF;
	regs->flags &= ~X86_EFLAGS_IF;
	regs->ip = address + (bits >> 17 & 15);
	return 1;
}
NOKPROBE_SYMBOL(perturb_hold);

static void store_now(struct pt_regs *regs, u64 nanoseconds)
{
	switch (size) {
	case 1:
		WRITE_ONCE(*(u8 *)target, value);
		break;
	case 2:
		WRITE_ONCE(*(u16 *)target, value);
		break;
	case 4:
		WRITE_ONCE(*(u32 *)target, value);
		break;
	default:
		WRITE_ONCE(*(u64 *)target, value);
	}
	regs->flags |= flags;
	WRITE_ONCE(holder, NULL);
	stored(nanoseconds);
}

/*
 * Called by the task that holds a store, in the breakpoint before another
 * instruction. Returns true if the store is still held behind that.
 */
bool perturb_pass(unsigned int place, unsigned int bits, struct pt_regs *regs,
		  unsigned long address)
{
	unsigned int bytes = 1 << (bits >> 21 & 3);
	unsigned long used = used_by(bits, regs, address);
	u64 begin, now;

	if (place <= first || place > end) {
		/* Nothing leads here. */
		store_now(regs, 0);
		return false;
	}
	if (place < end) {
		/*
		 * The task itself sees its stores in order, and a store to a device
		 * follows all that the task has stored.
		 */
		bool apart = used + bytes <= target || target + size <= used;
		bool mine = object_is_on_stack((void *)used);

		if (!apart || (!mine && !is_shared(used))) {
			store_now(regs, 0);
			return false;
		}
		passed(place);
		return true;
	}
	/* As in perturb_delay(): the other CPU gets its turn. */
	begin = now = ktime_get_mono_fast_ns();
	while (now - begin < held_time) {
		cpu_relax();
		now = ktime_get_mono_fast_ns();
	}
	store_now(regs, now - begin);
	return false;
}
NOKPROBE_SYMBOL(perturb_pass);
