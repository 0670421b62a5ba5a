// SPDX-License-Identifier: GPL-2.0
/*
 * Tracks what other modules hand over to the kernel, and reports what they
 * leave behind: timers, work items, kprobes and slab caches.
 *
 * kmodlab's agent loads this module before a lesson and reads the parameter
 * "left" after it, one line for each thing:
 *
 *	timer x blink
 *	cache x x_requests
 *
 * with the kind, the module, and the function that the kernel would call or
 * the name of the cache. A thing is known by whose code the kernel would call,
 * and whether it would do so in the next second or the next hour does not
 * matter. After a module's exit function and before its memory is freed, the
 * module looks at all things of that module: what is active then will be
 * active when the memory is gone.
 */

#include <linux/hrtimer.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#define INT3 0xcc

enum kind { TIMER, HRTIMER, DELAYED_WORK, WORK, KPROBE, CACHE };

static const char *const kind_names[] = {
	[TIMER]		= "timer",
	[HRTIMER]	= "hrtimer",
	[DELAYED_WORK]	= "delayed_work",
	[WORK]		= "work",
	[KPROBE]	= "kprobe",
	[CACHE]		= "cache",
};

struct item {
	/* NULL in a free entry. */
	void *object;
	/* An address in the module that the object belongs to. */
	unsigned long code;
	enum kind kind;
	/* For a cache, which the kernel may give to several who ask. */
	int uses;
	/* Whether it was active when its module went. */
	bool left;
	char module[MODULE_NAME_LEN];
	/* The function, or the name of a cache. */
	char name[128];
};

/* Enough for a lesson's; entries that are not active any more make room. */
static struct item items[256];
static DEFINE_RAW_SPINLOCK(lock);

static bool is_of_module(unsigned long address)
{
	return address >= MODULES_VADDR && address < MODULES_END &&
	       !within_module(address, THIS_MODULE);
}

/* Copies an object, whose memory may be freed. */
#define copy_of(object, copy) \
	(!copy_from_kernel_nofault((copy), (object), sizeof(*(copy))))

static bool is_timer_armed(struct item *item)
{
	struct timer_list timer;

	return copy_of(item->object, &timer) && timer_pending(&timer) &&
	       (unsigned long)timer.function == item->code;
}

static bool is_hrtimer_armed(struct item *item)
{
	struct hrtimer timer;

	return copy_of(item->object, &timer) && hrtimer_is_queued(&timer) &&
	       (unsigned long)ACCESS_PRIVATE(&timer, function) == item->code;
}

static bool is_work_delayed(struct item *item)
{
	struct delayed_work work;

	return copy_of(item->object, &work) && timer_pending(&work.timer) &&
	       (unsigned long)work.work.func == item->code;
}

static bool is_work_queued(struct item *item)
{
	struct work_struct *object = item->object;
	struct work_struct work;

	/* The entry of a work item that is in no list points to itself. */
	return copy_of(object, &work) && work_pending(&work) && work.entry.next &&
	       work.entry.next != &object->entry &&
	       (unsigned long)work.func == item->code;
}

static bool is_kprobe_set(struct item *item)
{
	struct kprobe probe;
	u8 opcode;

	return copy_of(item->object, &probe) && probe.addr && copy_of(probe.addr, &opcode) &&
	       opcode == INT3;
}

static bool is_active(struct item *item)
{
	switch (item->kind) {
	case TIMER:
		return is_timer_armed(item);
	case HRTIMER:
		return is_hrtimer_armed(item);
	case DELAYED_WORK:
		return is_work_delayed(item);
	case WORK:
		return is_work_queued(item);
	case KPROBE:
		return is_kprobe_set(item);
	case CACHE:
		return item->uses > 0;
	}
	return false;
}

static struct item *find(enum kind kind, void *object)
{
	for (int i = 0; i < ARRAY_SIZE(items); i++)
		if (items[i].object == object && items[i].kind == kind && !items[i].left)
			return &items[i];
	return NULL;
}

static struct item *find_room(void)
{
	struct item *item;

	for (item = items; item < items + ARRAY_SIZE(items); item++)
		if (!item->object)
			return item;
	for (item = items; item < items + ARRAY_SIZE(items); item++)
		if (!item->left && !is_active(item))
			return item;
	return NULL;
}

/*
 * A kprobe's handler counts as an NMI, in which lockdep allows no other way to
 * take a lock. No code with a kprobe is called with this lock.
 */
static unsigned long take_lock(void)
{
	unsigned long flags;

	if (in_nmi()) {
		while (!raw_spin_trylock_irqsave(&lock, flags))
			cpu_relax();
	} else {
		raw_spin_lock_irqsave(&lock, flags);
	}
	return flags;
}

/* The tracepoints are in code that disables interrupts and holds raw spinlocks. */
static void track(enum kind kind, void *object, unsigned long code, const char *name)
{
	struct item *item;
	unsigned long flags = take_lock();

	item = find(kind, object);
	if (!item) {
		item = find_room();
		if (item)
			*item = (struct item){ .object = object, .kind = kind };
	}
	if (item) {
		item->code = code;
		item->uses++;
		if (name)
			strscpy(item->name, name, sizeof(item->name));
	}
	raw_spin_unlock_irqrestore(&lock, flags);
}

static void on_timer_start(void *data, struct timer_list *timer)
{
	struct delayed_work *work;

	if (is_of_module((unsigned long)timer->function)) {
		track(TIMER, timer, (unsigned long)timer->function, NULL);
	} else if (timer->function == delayed_work_timer_fn) {
		work = container_of(timer, struct delayed_work, timer);
		if (is_of_module((unsigned long)work->work.func))
			track(DELAYED_WORK, work, (unsigned long)work->work.func, NULL);
	}
}

static void on_hrtimer_start(void *data, struct hrtimer *timer)
{
	unsigned long function = (unsigned long)ACCESS_PRIVATE(timer, function);

	if (is_of_module(function))
		track(HRTIMER, timer, function, NULL);
}

static void on_queue_work(void *data, int cpu, void *queue, struct work_struct *work)
{
	if (is_of_module((unsigned long)work->func))
		track(WORK, work, (unsigned long)work->func, NULL);
}

static const struct {
	const char *name;
	void *function;
} probes[] = {
	{ "timer_start", on_timer_start },
	{ "hrtimer_start", on_hrtimer_start },
	{ "workqueue_queue_work", on_queue_work },
};

static void set_probe(struct tracepoint *tracepoint, void *found)
{
	for (int i = 0; i < ARRAY_SIZE(probes); i++)
		if (!strcmp(tracepoint->name, probes[i].name) &&
		    !tracepoint_probe_register(tracepoint, probes[i].function, NULL))
			++*(int *)found;
}

/*
 * There is no tracepoint for caches and kprobes. They are rare, so a kprobe
 * costs nothing. At a function's first instruction, the stack has the address
 * to which it will return.
 */

static unsigned long caller(struct pt_regs *regs)
{
	return *(unsigned long *)kernel_stack_pointer(regs);
}

struct creation {
	unsigned long caller;
	char name[32];
};

static int on_cache_create(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct creation *creation = (struct creation *)instance->data;

	creation->caller = caller(regs);
	/* Other calls are of no interest, and their returns are not probed. */
	if (!is_of_module(creation->caller))
		return 1;
	strscpy(creation->name, (const char *)regs->di, sizeof(creation->name));
	return 0;
}

static int on_cache_created(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct creation *creation = (struct creation *)instance->data;
	void *cache = (void *)regs_return_value(regs);

	if (!IS_ERR_OR_NULL(cache))
		track(CACHE, cache, creation->caller, creation->name);
	return 0;
}

#define CACHE_PROBE(function) {				\
	.kp.symbol_name	= function,			\
	.entry_handler	= on_cache_create,		\
	.handler	= on_cache_created,		\
	.data_size	= sizeof(struct creation),	\
}

/* The last is that of kernels since 6.12. */
static struct kretprobe cache_probes[] = {
	CACHE_PROBE("kmem_cache_create"),
	CACHE_PROBE("kmem_cache_create_usercopy"),
	CACHE_PROBE("__kmem_cache_create_args"),
};

static int on_cache_destroy(struct kprobe *probe, struct pt_regs *regs)
{
	struct item *item;
	unsigned long flags = take_lock();

	item = find(CACHE, (void *)regs->di);
	if (item)
		item->uses--;
	raw_spin_unlock_irqrestore(&lock, flags);
	return 0;
}

static int on_register_kprobe(struct kprobe *own, struct pt_regs *regs)
{
	struct kprobe *probe = (struct kprobe *)regs->di;
	unsigned long code = (unsigned long)probe->pre_handler;

	if (!is_of_module(code))
		code = (unsigned long)probe->post_handler;
	/* The handler of a kretprobe is behind the kernel's own. */
	if (!is_of_module(code))
		code = (unsigned long)probe;
	/* Those in a module's code go with that module: perturb has hundreds. */
	if (is_of_module(code) && !is_of_module((unsigned long)probe->addr))
		track(KPROBE, probe, code, probe->symbol_name);
	return 0;
}

static struct kprobe function_probes[] = {
	{ .symbol_name = "kmem_cache_destroy", .pre_handler = on_cache_destroy },
	{ .symbol_name = "register_kprobe", .pre_handler = on_register_kprobe },
};

/* Looks at the things of a module whose exit function has returned. */
static int on_module(struct notifier_block *block, unsigned long state, void *data)
{
	static char symbol[KSYM_SYMBOL_LEN];
	struct module *module = data;
	unsigned long flags;

	if (state != MODULE_STATE_GOING)
		return NOTIFY_DONE;
	raw_spin_lock_irqsave(&lock, flags);
	for (int i = 0; i < ARRAY_SIZE(items); i++) {
		struct item *item = &items[i];

		if (!item->object || item->left || !within_module(item->code, module))
			continue;
		if (!is_active(item)) {
			item->object = NULL;
			continue;
		}
		item->left = true;
		strscpy(item->module, module->name, sizeof(item->module));
		if (item->kind != CACHE) {
			sprint_symbol_no_offset(symbol, item->code);
			/* "FUNCTION [MODULE]" */
			strscpy(item->name, symbol, sizeof(item->name));
			strreplace(item->name, ' ', '\0');
		}
	}
	raw_spin_unlock_irqrestore(&lock, flags);
	return NOTIFY_DONE;
}

static struct notifier_block on_modules = { .notifier_call = on_module };

/* Whether everything is tracked. */
static bool tracks_all;

/* The buffer of a parameter has a page; lines that do not fit are left out. */
static int show_left(char *buffer, const struct kernel_param *param)
{
	int length = 0;

	if (!tracks_all)
		return -ENODEV;
	for (int i = 0; i < ARRAY_SIZE(items); i++) {
		struct item *item = &items[i];

		if (item->object && item->left)
			length += scnprintf(buffer + length, PAGE_SIZE - length, "%s %s %s\n",
					    kind_names[item->kind], item->module, item->name);
	}
	return length;
}

static const struct kernel_param_ops left_ops = { .get = show_left };
module_param_cb(left, &left_ops, NULL, 0400);
MODULE_PARM_DESC(left, "what modules have left behind");

static int __init tracker_init(void)
{
	int found = 0;
	int caches = 0;
	int errors = 0;

	for_each_kernel_tracepoint(set_probe, &found);
	for (int i = 0; i < ARRAY_SIZE(cache_probes); i++)
		caches += !register_kretprobe(&cache_probes[i]);
	for (int i = 0; i < ARRAY_SIZE(function_probes); i++)
		errors += !!register_kprobe(&function_probes[i]);
	errors += !!register_module_notifier(&on_modules);
	tracks_all = found == ARRAY_SIZE(probes) && caches && !errors;
	/*
	 * A lesson's "lsmod" lists what it would list without kmodlab. Nothing
	 * else walks the list while the agent boots, and nothing unloads this
	 * module, which has no exit function.
	 */
	list_del_init(&THIS_MODULE->list);
	/* The kernel calls the probes, so this module stays whatever failed. */
	return 0;
}

module_init(tracker_init);

/* The kernel's taint mask shows what a lesson's module sets. */
MODULE_INFO(intree, "Y");
MODULE_AUTHOR("kmodlab");
MODULE_DESCRIPTION("Reports timers, work items, kprobes and caches that modules leave behind");
MODULE_LICENSE("GPL");
