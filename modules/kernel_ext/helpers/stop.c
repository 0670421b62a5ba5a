// SPDX-License-Identifier: GPL-2.0

#include <linux/cache.h>
#include <asm/text-patching.h>
#include <linux/hrtimer.h>
#include <linux/io.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/timekeeping.h>

#include "../bindings_helper.h"

static void (*hook)(unsigned long address);

/*
 * Tasks that were stopped before an instruction and continue with it: the
 * breakpoint is still there and must not stop them again. There are few at a
 * time. A task that finds no room is stopped again.
 */
static struct {
	struct task_struct *task;
	unsigned long address;
} going_on[16];

static void let_go_on(unsigned long address)
{
	/* The module is being unloaded, and the breakpoint has been removed. */
	if (READ_ONCE(*(const u8 *)address) != INT3_INSN_OPCODE)
		return;
	for (int i = 0; i < ARRAY_SIZE(going_on); i++) {
		if (!cmpxchg(&going_on[i].task, NULL, current)) {
			WRITE_ONCE(going_on[i].address, address);
			return;
		}
	}
}

static bool goes_on(unsigned long address)
{
	for (int i = 0; i < ARRAY_SIZE(going_on); i++) {
		if (READ_ONCE(going_on[i].task) == current &&
		    READ_ONCE(going_on[i].address) == address) {
			WRITE_ONCE(going_on[i].task, NULL);
			return true;
		}
	}
	return false;
}
NOKPROBE_SYMBOL(goes_on);

/*
 * Calls kernel_ext_stopped() as if the interrupted code had done it, except
 * that no register changes and no flag, and returns to where that code was.
 */
void kernel_ext_stop_entry(void);
asm(".pushsection .text\n"
    ".type kernel_ext_stop_entry, @function\n"
    "kernel_ext_stop_entry:\n"
    "	pushq	%rbp\n"
    "	movq	%rsp, %rbp\n"
    "	pushfq\n"
    "	pushq	%rax\n"
    "	pushq	%rcx\n"
    "	pushq	%rdx\n"
    "	pushq	%rsi\n"
    "	pushq	%rdi\n"
    "	pushq	%r8\n"
    "	pushq	%r9\n"
    "	pushq	%r10\n"
    "	pushq	%r11\n"
    "	pushq	%rbx\n"
    "	movq	8(%rbp), %rdi\n"
    "	movq	%rsp, %rbx\n"
    "	andq	$-16, %rsp\n"
    "	call	kernel_ext_stopped\n"
    "	movq	%rbx, %rsp\n"
    "	popq	%rbx\n"
    "	popq	%r11\n"
    "	popq	%r10\n"
    "	popq	%r9\n"
    "	popq	%r8\n"
    "	popq	%rdi\n"
    "	popq	%rsi\n"
    "	popq	%rdx\n"
    "	popq	%rcx\n"
    "	popq	%rax\n"
    "	popfq\n"
    "	popq	%rbp\n"
    "	ret\n"
    ".size kernel_ext_stop_entry, . - kernel_ext_stop_entry\n"
    ".popsection\n");

void kernel_ext_stopped(unsigned long address);
void kernel_ext_stopped(unsigned long address)
{
	hook(address);
	let_go_on(address);
}

/*
 * A breakpoint's handler cannot wait: interrupts are disabled, and the CPU is
 * as if in an NMI. So the handler sends the task to kernel_ext_stop_entry(), which it
 * runs as itself. The kernel leaves room on the stack for an address.
 */
static int before(struct kprobe *probe, struct pt_regs *regs)
{
	unsigned long address = (unsigned long)probe->addr;

	if (goes_on(address))
		return 0;
	int3_emulate_push(regs, address);
	regs->ip = (unsigned long)kernel_ext_stop_entry;
	return 1;
}
NOKPROBE_SYMBOL(before);

int kernel_ext_stop_before(struct kprobe *probe)
{
	probe->pre_handler = before;
	return register_kprobe(probe);
}

/*
 * For good: nobody knows when the last task has left the code above. A module
 * whose init fails is freed whoever has a reference, so it must be past that.
 */
int kernel_ext_stop_hook(void (*function)(unsigned long address))
{
	if (!kernel_ext_is_live() || !try_module_get(THIS_MODULE))
		return -EAGAIN;
	hook = function;
	return 0;
}

/*
 * Keeps the task here for a number of nanoseconds. The task sleeps, so that
 * others get its CPU, if it may sleep and its state does not say that it is about
 * to sleep for another reason; otherwise it spins, with interrupts as they are.
 */
void kernel_ext_hold_up(u64 nanoseconds, u64 spin)
{
	u64 begin = ktime_get_mono_fast_ns();
	u64 passed;

	while ((passed = ktime_get_mono_fast_ns() - begin) < nanoseconds) {
		if (preemptible() && !rcu_preempt_depth() &&
		    READ_ONCE(current->__state) == TASK_RUNNING) {
			ktime_t rest = ns_to_ktime(nanoseconds - passed);

			set_current_state(TASK_UNINTERRUPTIBLE);
			schedule_hrtimeout(&rest, HRTIMER_MODE_REL);
		} else if (passed < spin) {
			cpu_relax();
		} else {
			return;
		}
	}
}

/* Lines of several tasks do not mix. */
void kernel_ext_debug_console(const char *text, unsigned long length)
{
	static DEFINE_RAW_SPINLOCK(lock);
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	outsb(0xe9, text, length);
	raw_spin_unlock_irqrestore(&lock, flags);
}

int kernel_ext_current(char name[TASK_COMM_LEN])
{
	strscpy_pad(name, current->comm, TASK_COMM_LEN);
	return task_pid_nr(current);
}
