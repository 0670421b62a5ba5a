// SPDX-License-Identifier: GPL-2.0
/*
 * Breakpoints at instructions of another module, and of functions of the kernel
 * that it calls, whose hook may delay the tasks that reach them, or hold back a
 * store (store.c). perturb.rs decides where and for how long; this file has what
 * the kernel offers to C alone. stop.rs declares the functions.
 */

#include <linux/cache.h>
#include <asm/text-patching.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "store.h"

/* Declared in stop.rs, as the functions of task.c. */
int perturb_begin(const char *module, size_t length);
int perturb_add(const char *function, size_t length, unsigned int offset,
		unsigned int operand);
int perturb_watch(u64 (*reached)(unsigned int, unsigned long),
		  void (*loaded)(unsigned int), void (*unloaded)(void));

/* The kernel exports it, and declares it in a header of its own (kernel/rcu/rcu.h). */
void rcu_expedite_gp(void);

/* Equal to MAX_POINTS in xtask/src/schedule/order.rs. */
#define PLACES 256

/* Number of stack frames in which a task in the kernel is called by the module. */
#define FRAMES 3

/* Begins the name of a function of the kernel. */
#define KERNEL "vmlinux:"

/* The module whose tasks are delayed. */
static char watched[MODULE_NAME_LEN];
/* The same while the module has breakpoints, otherwise NULL. */
static struct module *watched_module;
/*
 * The places: symbol_name is MODULE:FUNCTION, as kallsyms knows it, or the name of
 * a function of the kernel.
 */
static struct kprobe places[PLACES];
/* The address of each place while it has a breakpoint, otherwise 0. */
static unsigned long addresses[PLACES];
/* The operand of each place, see perturb_operand(), or 0. */
static unsigned int operands[PLACES];
/* Whether each place is in the kernel. */
static bool in_kernel[PLACES];
static unsigned int count;

static u64 (*reached)(unsigned int place, unsigned long operand);
static void (*loaded)(unsigned int refused);
static void (*unloaded)(void);

/*
 * Tasks that were stopped before an instruction and continue with it: the
 * breakpoint is still there and must not stop them again. There are few at a
 * time. A task that finds no room is stopped again.
 */
static struct {
	struct task_struct *task;
	unsigned long address;
} going_on[16];

static void let_go_on(unsigned int place, unsigned long address)
{
	bool stops;

	/*
	 * The module may have been unloaded, and freed, while the task was delayed.
	 * free_module() waits for RCU after going() has cleared the address.
	 */
	rcu_read_lock();
	stops = READ_ONCE(addresses[place]) == address &&
		READ_ONCE(*(const u8 *)address) == INT3_INSN_OPCODE;
	rcu_read_unlock();
	if (!stops)
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
 * Calls perturb_stopped() as if the interrupted code had done it, except
 * that no register changes and no flag, and returns to where that code was.
 * The second argument points to the registers in the order of their numbers.
 */
void perturb_entry(void);
asm(".pushsection .text\n"
    ".type perturb_entry, @function\n"
    "perturb_entry:\n"
    "	pushq	%rbp\n"
    "	movq	%rsp, %rbp\n"
    "	pushfq\n"
    "	pushq	%r15\n"
    "	pushq	%r14\n"
    "	pushq	%r13\n"
    "	pushq	%r12\n"
    "	pushq	%r11\n"
    "	pushq	%r10\n"
    "	pushq	%r9\n"
    "	pushq	%r8\n"
    "	pushq	%rdi\n"
    "	pushq	%rsi\n"
    "	pushq	(%rbp)\n"
    "	leaq	16(%rbp), %rsi\n"
    "	pushq	%rsi\n"
    "	pushq	%rbx\n"
    "	pushq	%rdx\n"
    "	pushq	%rcx\n"
    "	pushq	%rax\n"
    "	movq	8(%rbp), %rdi\n"
    "	movq	%rsp, %rsi\n"
    "	movq	%rsp, %rbx\n"
    "	andq	$-16, %rsp\n"
    "	call	perturb_stopped\n"
    "	movq	%rbx, %rsp\n"
    "	popq	%rax\n"
    "	popq	%rcx\n"
    "	popq	%rdx\n"
    "	popq	%rbx\n"
    "	addq	$16, %rsp\n"
    "	popq	%rsi\n"
    "	popq	%rdi\n"
    "	popq	%r8\n"
    "	popq	%r9\n"
    "	popq	%r10\n"
    "	popq	%r11\n"
    "	popq	%r12\n"
    "	popq	%r13\n"
    "	popq	%r14\n"
    "	popq	%r15\n"
    "	popfq\n"
    "	popq	%rbp\n"
    "	ret\n"
    ".size perturb_entry, . - perturb_entry\n"
    ".popsection\n");

void perturb_stopped(unsigned long address, const unsigned long *registers);
void perturb_stopped(unsigned long address, const unsigned long *registers)
{
	unsigned long used = 0;
	unsigned int place;
	u64 time;

	/* As in let_go_on(): perturb_operand() reads the module's code. */
	rcu_read_lock();
	for (place = 0; place < count; place++) {
		if (READ_ONCE(addresses[place]) == address) {
			used = perturb_operand(operands[place], address, registers);
			break;
		}
	}
	rcu_read_unlock();
	if (place == count)
		return;
	time = reached(place, used);
	if (time)
		perturb_hold_next(time);
	let_go_on(place, address);
}

/*
 * Whether a task has reached a place in a function that the module calls, with
 * interrupts on. This kernel has frame pointers, and before a function has set its
 * own, the caller's is there.
 */
static bool is_called(const struct pt_regs *regs)
{
	const struct module *module = READ_ONCE(watched_module);
	const unsigned long *frame = (const unsigned long *)regs->bp;
	unsigned long next, caller;

	/* The handler counts as an NMI. The task may have disabled preemption. */
	if (!module || !(regs->flags & X86_EFLAGS_IF) ||
	    (preempt_count() & ~PREEMPT_MASK) != NMI_OFFSET + HARDIRQ_OFFSET)
		return false;
	for (int i = 0; i < FRAMES; i++) {
		if (get_kernel_nofault(next, frame) || get_kernel_nofault(caller, frame + 1))
			return false;
		/* A delay of such a task calls functions of the kernel too. */
		if (within_module(caller, THIS_MODULE))
			return false;
		if (within_module(caller, module))
			return true;
		frame = (const unsigned long *)next;
	}
	return false;
}
NOKPROBE_SYMBOL(is_called);

/*
 * A breakpoint's handler cannot wait: interrupts are disabled, and the CPU is
 * as if in an NMI. So the handler sends the task to perturb_entry(), which it
 * runs as itself. The kernel leaves room on the stack for an address.
 */
static int before(struct kprobe *probe, struct pt_regs *regs)
{
	unsigned long address = (unsigned long)probe->addr;
	unsigned int place = probe - places;

	if (in_kernel[place] && !is_called(regs))
		return 0;
	if (perturb_holds() && perturb_pass(place, operands[place], regs, address))
		return 0;
	if (goes_on(address))
		return perturb_hold(place, operands[place], regs, address);
	int3_emulate_push(regs, address);
	regs->ip = (unsigned long)perturb_entry;
	return 1;
}
NOKPROBE_SYMBOL(before);

static int set(unsigned int place)
{
	struct kprobe *probe = &places[place];
	const char *symbol_name = probe->symbol_name;
	unsigned int offset = probe->offset;
	int status;

	/* An earlier registration has left values of its own. */
	memset(probe, 0, sizeof(*probe));
	probe->symbol_name = symbol_name;
	probe->offset = offset;
	probe->pre_handler = before;
	status = register_kprobe(probe);
	if (!status)
		WRITE_ONCE(addresses[place], (unsigned long)probe->addr);
	return status;
}

static bool is_watched(unsigned long wanted, unsigned long event, void *data)
{
	struct module *module = data;

	return event == wanted && !strcmp(module->name, watched);
}

/*
 * Sets the breakpoints in the watched module. Only one module has a given name,
 * and the kernel reports each load and each unload once, so the calls for one
 * place do not overlap.
 */
static int coming(struct notifier_block *block, unsigned long event, void *data)
{
	unsigned int refused = 0;

	if (!is_watched(MODULE_STATE_COMING, event, data))
		return NOTIFY_DONE;
	WRITE_ONCE(watched_module, data);
	for (unsigned int place = 0; place < count; place++)
		refused += set(place) != 0;
	/* A place that is missing may be one where a held store must be seen. */
	perturb_may_hold(!refused);
	loaded(refused);
	return NOTIFY_DONE;
}

/*
 * Removes the breakpoints, together, because the kernel then waits only once
 * until no CPU is at one of them.
 *
 * Code of the module may still run: a thread whose handle was leaked ends later
 * (kernel_ext/helpers/teardown.c). The notifier of kprobes assumes that no code
 * runs any more. It leaves each breakpoint in the code and frees the copy of the
 * instruction there, so that a task that reached the breakpoint would execute
 * address 0.
 */
static int going(struct notifier_block *block, unsigned long event, void *data)
{
	static struct kprobe *registered[PLACES];
	int number = 0;

	if (!is_watched(MODULE_STATE_GOING, event, data))
		return NOTIFY_DONE;
	unloaded();
	for (unsigned int place = 0; place < count; place++)
		if (addresses[place])
			registered[number++] = &places[place];
	/* Waits for the handlers, which may look at the module. */
	unregister_kprobes(registered, number);
	WRITE_ONCE(watched_module, NULL);
	memset(addresses, 0, sizeof(addresses));
	return NOTIFY_DONE;
}

static struct notifier_block coming_block = { .notifier_call = coming };
/* Before the notifier of kprobes: see going(). */
static struct notifier_block going_block = { .notifier_call = going, .priority = 1 };

/*
 * For good: nobody knows when the last task has left the code above. A module
 * whose init fails is freed whoever has a reference, so it must be past that.
 */
int perturb_begin(const char *module, size_t length)
{
	static atomic_t begun = ATOMIC_INIT(0);

	if (length >= sizeof(watched))
		return -EINVAL;
	if (READ_ONCE(THIS_MODULE->state) != MODULE_STATE_LIVE)
		return -EAGAIN;
	if (atomic_xchg(&begun, 1))
		return -EBUSY;
	if (!try_module_get(THIS_MODULE))
		return -EAGAIN;
	memcpy(watched, module, length);
	/*
	 * Without this, the kernel frees a module tens of milliseconds after its
	 * exit: longer than any delay of a task that has not left it.
	 */
	rcu_expedite_gp();
	return 0;
}

int perturb_add(const char *function, size_t length, unsigned int offset,
		unsigned int operand)
{
	struct kprobe *probe = &places[count];
	const size_t prefix = strlen(KERNEL);

	if (count == PLACES)
		return -E2BIG;
	in_kernel[count] = length > prefix && !strncmp(function, KERNEL, prefix);
	if (in_kernel[count])
		probe->symbol_name = kstrndup(function + prefix, length - prefix, GFP_KERNEL);
	else
		probe->symbol_name = kasprintf(GFP_KERNEL, "%s:%.*s", watched, (int)length,
					       function);
	if (!probe->symbol_name)
		return -ENOMEM;
	probe->offset = offset;
	operands[count++] = operand;
	return 0;
}

int perturb_watch(u64 (*on_reached)(unsigned int, unsigned long),
		  void (*on_loaded)(unsigned int), void (*on_unloaded)(void))
{
	int status;

	reached = on_reached;
	loaded = on_loaded;
	unloaded = on_unloaded;
	status = register_module_notifier(&going_block);
	return status ?: register_module_notifier(&coming_block);
}

/* A lesson's module is then the first that taints the kernel, as without schedules, and the log says so. */
MODULE_INFO(intree, "Y");
