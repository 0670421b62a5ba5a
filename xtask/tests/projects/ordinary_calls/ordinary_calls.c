// SPDX-License-Identifier: GPL-2.0
/*
 * Calls the ordinary functions of the lessons' topics, so that a test can compare the symbols that
 * they need with the list for submissions. It is compiled, and never loaded.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/bsearch.h>
#include <linux/cdev.h>
#include <linux/completion.h>
#include <linux/ctype.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/freezer.h>
#include <linux/fs.h>
#include <linux/gcd.h>
#include <linux/hashtable.h>
#include <linux/hex.h>
#include <linux/hrtimer.h>
#include <linux/idr.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kfifo.h>
#include <linux/kobject.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/lcm.h>
#include <linux/list.h>
#include <linux/list_sort.h>
#include <linux/llist.h>
#include <linux/math64.h>
#include <linux/mempool.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/percpu-rwsem.h>
#include <linux/percpu_counter.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/random.h>
#include <linux/ratelimit.h>
#include <linux/rbtree.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rtmutex.h>
#include <linux/rwsem.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/semaphore.h>
#include <linux/seq_file.h>
#include <linux/seqlock.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/string_helpers.h>
#include <linux/swait.h>
#include <linux/sysctl.h>
#include <linux/sysfs.h>
#include <linux/timekeeping.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/uuid.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#define NEWER(major, minor) (LINUX_VERSION_CODE >= KERNEL_VERSION(major, minor, 0))

struct entry {
	struct list_head list;
	struct llist_node llist;
	struct hlist_node hash;
	struct rb_node rb;
	struct rcu_head rcu;
	struct kref ref;
	int value;
};

/* Values that the compiler does not know, and results that it may not leave out. */
static volatile long number;
static void *volatile pointer;
static const char *volatile text;

static LIST_HEAD(nodes);
static LLIST_HEAD(lockless);
static DEFINE_HASHTABLE(table, 4);
static struct rb_root tree = RB_ROOT;
static DEFINE_XARRAY(array);
static DEFINE_IDR(idr);
static DEFINE_IDA(ida);
static DEFINE_KFIFO(fifo, int, 8);
static DECLARE_BITMAP(bits, 200);
static char buffer[64];

static DEFINE_MUTEX(mutex);
static DEFINE_SPINLOCK(lock);
static DEFINE_RWLOCK(rwlock);
static DECLARE_RWSEM(rwsem);
static DEFINE_SEMAPHORE(semaphore, 1);
static DEFINE_SEQLOCK(seqlock);
static DEFINE_RT_MUTEX(rt_mutex);
DEFINE_STATIC_PERCPU_RWSEM(percpu_rwsem);
DEFINE_STATIC_SRCU(srcu);
static DECLARE_WAIT_QUEUE_HEAD(queue);
static DECLARE_SWAIT_QUEUE_HEAD(simple_queue);
static DECLARE_COMPLETION(done);
static DEFINE_PER_CPU(int, counter);
static DEFINE_RATELIMIT_STATE(ratelimit, HZ, 2);
static atomic_t atomic;
static refcount_t refcount;
static unsigned long flag_word;

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int compare_nodes(void *priv, const struct list_head *a, const struct list_head *b)
{
	return list_entry(a, struct entry, list)->value - list_entry(b, struct entry, list)->value;
}

static void strings(void)
{
	char copy[16], *word = buffer;
	const char *const names[] = { "on", "off" };
	int value;
	long wide;
	unsigned long unsigned_wide;
	unsigned long long huge;
	bool flag;
	u8 byte;

	strscpy(copy, text, sizeof(copy));
	strscpy_pad(copy, text, sizeof(copy));
	strlcat(copy, text, sizeof(copy));
	strcat(buffer, text);
	strncat(buffer, text, 3);
	number = strlen(text) + strnlen(text, number) + strcmp(text, copy) + strncmp(text, copy, number);
	number = strcasecmp(text, copy) + strncasecmp(text, copy, number) + sysfs_streq(text, copy);
	number = strspn(text, "a") + strcspn(text, "b") + str_has_prefix(text, "a");
	pointer = strchr(text, number);
	pointer = strchrnul(text, number);
	pointer = strrchr(text, number);
	pointer = strnchr(text, 3, number);
	pointer = strstr(text, copy);
	pointer = strnstr(text, copy, number);
	pointer = strpbrk(text, copy);
	pointer = strsep(&word, ",");
	pointer = strim(buffer);
	pointer = skip_spaces(text);
	pointer = strreplace(buffer, 'a', 'b');
	number = isdigit(number) + isspace(number) + isalpha(number) + isprint(number);
	buffer[0] = toupper(buffer[1]) + tolower(buffer[2]);
	number = match_string(names, ARRAY_SIZE(names), text) + sysfs_match_string(names, text);
	number = memcmp(text, copy, number);
	memcpy(buffer, text, number);
	memmove(buffer, text, number);
	memset(buffer, number, number);
	pointer = memchr(text, number, number);
	pointer = memchr_inv(text, number, number);
	pointer = memscan(buffer, number, number);
	number = kstrtoint(text, 0, &value) + kstrtouint(text, 0, (unsigned int *)&value);
	number = kstrtol(text, 0, &wide) + kstrtoul(text, 0, &unsigned_wide);
	number = kstrtoull(text, 0, &huge) + kstrtobool(text, &flag) + kstrtou8(text, 0, &byte);
	number = simple_strtol(text, NULL, 0) + simple_strtoul(text, NULL, 0);
	number = simple_strtoull(text, NULL, 0) + simple_strtoll(text, NULL, 0);
	number = sscanf(text, "%d", &value);
	number = sprintf(buffer, "%d", value) + snprintf(buffer, 9, "%d", value);
	number = scnprintf(buffer, sizeof(buffer), "%ld", number);
	number = hex2bin(copy, text, number) + hex_to_bin(number);
	pointer = bin2hex(buffer, copy, number);
	pointer = hex_byte_pack(buffer, number);
	hex_dump_to_buffer(copy, number, 16, 1, buffer, sizeof(buffer), true);
	string_get_size(number, 512, STRING_UNITS_2, buffer, sizeof(buffer));
	number = string_unescape_inplace(buffer, UNESCAPE_ANY);
	pointer = argv_split(GFP_KERNEL, text, &value);
	argv_free(pointer);
	number = get_option(&word, &value);
	number = memparse(text, NULL);
}

static void memory(void)
{
	struct kmem_cache *cache = kmem_cache_create("ordinary", 32, 0, SLAB_HWCACHE_ALIGN, NULL);
	mempool_t *pool = mempool_create_kmalloc_pool(2, 32);
	mempool_t *slab_pool = mempool_create_slab_pool(2, cache);
	int __percpu *counters = alloc_percpu(int);
	struct page *page = alloc_page(GFP_KERNEL);

	pointer = kmalloc(32, GFP_KERNEL);
	pointer = kmalloc(number, GFP_KERNEL);
	pointer = kmalloc_node(number, GFP_KERNEL, 0);
	pointer = kzalloc(number, GFP_ATOMIC);
	pointer = kcalloc(number, 4, GFP_KERNEL);
	pointer = kmalloc_array(number, 4, GFP_KERNEL);
	pointer = krealloc(pointer, number, GFP_KERNEL);
	pointer = krealloc_array(pointer, number, 4, GFP_KERNEL);
	number = ksize(pointer);
	kfree(pointer);
	kfree_sensitive(pointer);
	pointer = kvmalloc(number, GFP_KERNEL);
	pointer = kvzalloc(number, GFP_KERNEL);
	pointer = kvcalloc(number, 4, GFP_KERNEL);
	pointer = kvmalloc_array(number, 4, GFP_KERNEL);
	kvfree(pointer);
	pointer = vmalloc(number);
	pointer = vzalloc(number);
	pointer = vmalloc_user(number);
	pointer = vcalloc(number, 4);
	number = is_vmalloc_addr(pointer);
	vfree(pointer);
	pointer = kstrdup(text, GFP_KERNEL);
	pointer = kstrndup(text, 9, GFP_KERNEL);
	text = kstrdup_const(text, GFP_KERNEL);
	kfree_const(text);
	pointer = kmemdup(text, number, GFP_KERNEL);
	pointer = kmemdup_nul(text, number, GFP_KERNEL);
	pointer = kasprintf(GFP_KERNEL, "%ld", number);
	pointer = (void *)__get_free_page(GFP_KERNEL);
	pointer = (void *)__get_free_pages(GFP_KERNEL, number);
	pointer = (void *)get_zeroed_page(GFP_KERNEL);
	free_page((unsigned long)pointer);
	free_pages((unsigned long)pointer, number);
	pointer = alloc_pages_exact(number, GFP_KERNEL);
	free_pages_exact(pointer, number);
	__free_page(page);
	__free_pages(page, number);
	pointer = kmem_cache_alloc(cache, GFP_KERNEL);
	pointer = kmem_cache_zalloc(cache, GFP_KERNEL);
	kmem_cache_free(cache, pointer);
	kmem_cache_destroy(cache);
	pointer = mempool_alloc(pool, GFP_KERNEL);
	mempool_free(pointer, pool);
	mempool_destroy(pool);
	mempool_destroy(slab_pool);
	free_percpu(counters);
}

static void lists(void)
{
	struct entry *node = kmalloc(sizeof(*node), GFP_KERNEL), *next;
	struct llist_node *first;
	unsigned long index = 0;
	int value;

	list_add(&node->list, &nodes);
	list_add_tail(&node->list, &nodes);
	list_move(&node->list, &nodes);
	list_for_each_entry_safe(node, next, &nodes, list)
		list_del_init(&node->list);
	list_sort(NULL, &nodes, compare_nodes);
	llist_add(&node->llist, &lockless);
	first = llist_del_all(&lockless);
	pointer = llist_reverse_order(first);
	hash_add(table, &node->hash, node->value);
	hash_for_each_possible(table, node, hash, number)
		number++;
	hash_del(&node->hash);
	rb_link_node(&node->rb, NULL, &tree.rb_node);
	rb_insert_color(&node->rb, &tree);
	rb_erase(&node->rb, &tree);
	pointer = rb_first(&tree);
	pointer = rb_last(&tree);
	pointer = rb_next(&node->rb);
	pointer = rb_prev(&node->rb);
	rb_replace_node(&node->rb, &node->rb, &tree);
	pointer = xa_store(&array, number, node, GFP_KERNEL);
	pointer = xa_load(&array, number);
	pointer = xa_erase(&array, number);
	number = xa_alloc(&array, (u32 *)&value, node, xa_limit_31b, GFP_KERNEL);
	number = xa_insert(&array, number, node, GFP_KERNEL);
	xa_for_each(&array, index, node)
		number++;
	xa_destroy(&array);
	number = idr_alloc(&idr, node, 0, 9, GFP_KERNEL);
	pointer = idr_find(&idr, number);
	pointer = idr_remove(&idr, number);
	idr_for_each_entry(&idr, node, value)
		number++;
	idr_destroy(&idr);
	number = ida_alloc(&ida, GFP_KERNEL);
	ida_free(&ida, number);
	ida_destroy(&ida);
	number = kfifo_put(&fifo, number) + kfifo_get(&fifo, &value) + kfifo_len(&fifo);
	number = kfifo_in(&fifo, &value, 1) + kfifo_out(&fifo, &value, 1);
	sort(buffer, 3, 4, compare, NULL);
	pointer = bsearch(&value, buffer, number, 4, compare);
}

static void release_node(struct kref *ref)
{
	kfree(container_of(ref, struct entry, ref));
}

static void free_node(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct entry, rcu));
}

static void locks(void)
{
	struct entry *node = pointer;
	unsigned long flags;
	unsigned int sequence;
	struct mutex own;
	struct rw_semaphore own_rwsem;
	struct semaphore own_semaphore;
	spinlock_t own_lock;
	rwlock_t own_rwlock;
	int index;

	mutex_init(&own);
	mutex_lock(&mutex);
	mutex_unlock(&mutex);
	mutex_lock_nested(&own, SINGLE_DEPTH_NESTING);
	number = mutex_trylock(&mutex) + mutex_lock_interruptible(&mutex);
	number = mutex_lock_killable(&mutex) + mutex_is_locked(&mutex);
	mutex_destroy(&own);
	spin_lock_init(&own_lock);
	spin_lock(&lock);
	spin_unlock(&lock);
	spin_lock_bh(&lock);
	spin_unlock_bh(&lock);
	spin_lock_irq(&lock);
	spin_unlock_irq(&lock);
	spin_lock_irqsave(&lock, flags);
	spin_unlock_irqrestore(&lock, flags);
	spin_lock_nested(&lock, SINGLE_DEPTH_NESTING);
	number = spin_trylock(&lock) + spin_is_locked(&lock);
	rwlock_init(&own_rwlock);
	read_lock(&rwlock);
	read_unlock(&rwlock);
	write_lock(&rwlock);
	write_unlock(&rwlock);
	read_lock_irqsave(&rwlock, flags);
	read_unlock_irqrestore(&rwlock, flags);
	write_lock_bh(&rwlock);
	write_unlock_bh(&rwlock);
	init_rwsem(&own_rwsem);
	down_read(&rwsem);
	up_read(&rwsem);
	down_write(&rwsem);
	downgrade_write(&rwsem);
	up_write(&rwsem);
	number = down_read_trylock(&rwsem) + down_write_trylock(&rwsem);
	number = down_read_interruptible(&rwsem) + down_read_killable(&rwsem);
	number = down_write_killable(&rwsem);
	sema_init(&own_semaphore, 1);
	down(&semaphore);
	up(&semaphore);
	number = down_interruptible(&semaphore) + down_killable(&semaphore);
	number = down_trylock(&semaphore) + down_timeout(&semaphore, 3);
	write_seqlock(&seqlock);
	write_sequnlock(&seqlock);
	do {
		sequence = read_seqbegin(&seqlock);
	} while (read_seqretry(&seqlock, sequence));
	rt_mutex_lock(&rt_mutex);
	rt_mutex_unlock(&rt_mutex);
	percpu_down_read(&percpu_rwsem);
	percpu_up_read(&percpu_rwsem);
	percpu_down_write(&percpu_rwsem);
	percpu_up_write(&percpu_rwsem);
	rcu_read_lock();
	pointer = rcu_dereference(node->list.next);
	rcu_read_unlock();
	list_add_rcu(&node->list, &nodes);
	list_del_rcu(&node->list);
	synchronize_rcu();
	synchronize_rcu_expedited();
	call_rcu(&node->rcu, free_node);
	kfree_rcu(node, rcu);
	rcu_barrier();
	index = srcu_read_lock(&srcu);
	srcu_read_unlock(&srcu, index);
	synchronize_srcu(&srcu);
	call_srcu(&srcu, &node->rcu, free_node);
	srcu_barrier(&srcu);
	refcount_set(&refcount, 1);
	refcount_inc(&refcount);
	number = refcount_inc_not_zero(&refcount) + refcount_dec_and_test(&refcount);
	number = refcount_dec_and_mutex_lock(&refcount, &mutex) + refcount_dec_and_lock(&refcount, &lock);
	kref_init(&node->ref);
	kref_get(&node->ref);
	number = kref_put(&node->ref, release_node);
	number = atomic_inc_return(&atomic) + atomic_cmpxchg(&atomic, 1, 2);
	number = atomic_dec_and_lock(&atomic, &lock) + atomic_dec_and_mutex_lock(&atomic, &mutex);
	local_irq_save(flags);
	local_irq_restore(flags);
	local_irq_disable();
	local_irq_enable();
	local_bh_disable();
	local_bh_enable();
	preempt_disable();
	preempt_enable();
	migrate_disable();
	migrate_enable();
	number = in_interrupt() + in_task() + irqs_disabled();
	cond_resched_lock(&lock);
	lockdep_register_key(pointer);
	might_sleep();
}

static void waiting(void)
{
	struct completion own;
	wait_queue_head_t own_queue;
	DEFINE_WAIT(entry);
	DEFINE_WAIT_FUNC(woken, woken_wake_function);

	init_waitqueue_head(&own_queue);
	wake_up(&queue);
	wake_up_all(&queue);
	wake_up_nr(&queue, 2);
	wake_up_interruptible(&queue);
	wake_up_interruptible_all(&queue);
	wake_up_interruptible_sync(&queue);
	wait_event(queue, number);
	wait_event_lock_irq(queue, number, lock);
	wait_event_freezable(queue, number);
	number = wait_event_interruptible(queue, number);
	number = wait_event_interruptible_exclusive(queue, number);
	number = wait_event_killable(queue, number);
	number = wait_event_timeout(queue, number, 3);
	number = wait_event_interruptible_timeout(queue, number, 3);
	number = wait_event_hrtimeout(queue, number, 3);
	number = waitqueue_active(&queue);
	prepare_to_wait(&queue, &entry, TASK_INTERRUPTIBLE);
	prepare_to_wait_exclusive(&queue, &entry, TASK_INTERRUPTIBLE);
	finish_wait(&queue, &entry);
	add_wait_queue(&queue, &woken);
	number = wait_woken(&woken, TASK_INTERRUPTIBLE, 3);
	remove_wait_queue(&queue, &woken);
	swait_event_exclusive(simple_queue, number);
	swake_up_one(&simple_queue);
	swake_up_all(&simple_queue);
	set_bit(1, &flag_word);
	number = wait_on_bit(&flag_word, 1, TASK_INTERRUPTIBLE);
	number = wait_on_bit_timeout(&flag_word, 1, TASK_INTERRUPTIBLE, 3);
	wake_up_bit(&flag_word, 1);
	wait_var_event(&flag_word, number);
	wake_up_var(&flag_word);
	init_completion(&own);
	reinit_completion(&done);
	complete(&done);
	complete_all(&done);
	wait_for_completion(&done);
	number = wait_for_completion_timeout(&done, 3);
	number = wait_for_completion_interruptible(&done);
	number = wait_for_completion_interruptible_timeout(&done, 3);
	number = wait_for_completion_killable(&done);
	number = try_wait_for_completion(&done) + completion_done(&done);
}

static int thread(void *data)
{
	char name[TASK_COMM_LEN];
	sigset_t blocked;

	allow_signal(SIGTERM);
	disallow_signal(SIGTERM);
	siginitset(&blocked, 0);
	number = sigprocmask(SIG_BLOCK, &blocked, NULL);
	set_freezable();
	while (!kthread_should_stop()) {
		set_current_state(TASK_INTERRUPTIBLE);
		schedule();
		number = schedule_timeout(3) + schedule_timeout_interruptible(3);
		number = schedule_timeout_uninterruptible(3) + schedule_timeout_killable(3);
		__set_current_state(TASK_RUNNING);
		cond_resched();
		yield();
		if (signal_pending(current))
			flush_signals(current);
		if (kthread_should_park())
			kthread_parkme();
		try_to_freeze();
	}
	get_task_comm(name, current);
	text = name;
	number = current->pid + task_pid_vnr(current) + task_tgid_vnr(current);
	kthread_complete_and_exit(&done, 0);
}

static void work_function(struct work_struct *work)
{
}

static void kthread_work_function(struct kthread_work *work)
{
}

static void threads(void)
{
	static struct kthread_work work;
	struct task_struct *task = kthread_run(thread, NULL, "ordinary/%d", 3);
	struct kthread_worker *worker;

	task = kthread_create(thread, NULL, "ordinary");
	task = kthread_create_on_node(thread, NULL, 0, "ordinary");
	task = kthread_create_on_cpu(thread, NULL, 0, "ordinary");
	task = kthread_run_on_cpu(thread, NULL, 0, "ordinary");
	kthread_bind(task, 0);
	number = wake_up_process(task);
	get_task_struct(task);
	put_task_struct(task);
	number = kthread_park(task) + kthread_stop(task);
	kthread_unpark(task);
	set_user_nice(task, 3);
	sched_set_fifo(task);
	number = set_cpus_allowed_ptr(task, cpumask_of(number));
#if NEWER(6, 13)
	worker = kthread_run_worker(0, "ordinary");
#else
	worker = kthread_create_worker(0, "ordinary");
#endif
	kthread_init_work(&work, kthread_work_function);
	number = kthread_queue_work(worker, &work) + kthread_cancel_work_sync(&work);
	kthread_flush_work(&work);
	kthread_destroy_worker(worker);
}

static void timer_function(struct timer_list *timer)
{
}

static enum hrtimer_restart hrtimer_function(struct hrtimer *timer)
{
	return HRTIMER_NORESTART;
}

static void times(void)
{
	static struct timer_list timer;
	static struct hrtimer hrtimer;
	struct timespec64 time;
	struct tm calendar;

	timer_setup(&timer, timer_function, 0);
	add_timer(&timer);
	number = mod_timer(&timer, jiffies + round_jiffies_relative(HZ)) + timer_pending(&timer);
	number = timer_delete(&timer) + timer_delete_sync(&timer) + timer_shutdown_sync(&timer);
#if NEWER(6, 13)
	hrtimer_setup(&hrtimer, hrtimer_function, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
#else
	number = del_timer(&timer) + del_timer_sync(&timer);
	hrtimer_init(&hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	hrtimer.function = hrtimer_function;
#endif
	hrtimer_start(&hrtimer, ms_to_ktime(3), HRTIMER_MODE_REL);
	number = hrtimer_forward_now(&hrtimer, 3) + hrtimer_cancel(&hrtimer);
	number = hrtimer_try_to_cancel(&hrtimer) + hrtimer_active(&hrtimer);
	number = hrtimer_get_remaining(&hrtimer);
	number = ktime_get() + ktime_get_ns() + ktime_get_real() + ktime_get_real_seconds();
	number = ktime_get_boottime() + ktime_get_boottime_ns() + ktime_get_raw() + ktime_get_seconds();
	number = ktime_get_coarse_ns() + ktime_get_real_ns() + ktime_get_mono_fast_ns() + local_clock();
	ktime_get_ts64(&time);
	ktime_get_real_ts64(&time);
	time = ktime_to_timespec64(number);
	time64_to_tm(number, 0, &calendar);
	number = mktime64(number, 1, 1, 0, 0, 0) + timespec64_to_jiffies(&time);
	number = get_jiffies_64() + msecs_to_jiffies(number) + jiffies_to_msecs(number);
	number = usecs_to_jiffies(number) + jiffies_to_usecs(number) + nsecs_to_jiffies(number);
	number = jiffies_to_clock_t(number) + jiffies_to_nsecs(number);
	msleep(number);
	number = msleep_interruptible(number);
	ssleep(1);
	usleep_range(number, number);
	fsleep(number);
	mdelay(1);
	udelay(2);
	udelay(number);
	ndelay(number);
	number = schedule_hrtimeout(&hrtimer.node.expires, HRTIMER_MODE_REL);
	number = div_u64(number, 3) + div64_u64(number, number);
}

static void tasklet_function(struct tasklet_struct *tasklet)
{
}

static irqreturn_t interrupt(int irq, void *data)
{
	return IRQ_WAKE_THREAD;
}

static void work_queues(void)
{
	static struct work_struct work;
	static struct delayed_work delayed;
	static struct tasklet_struct tasklet;
	struct work_struct on_stack;
	struct workqueue_struct *own = alloc_workqueue("ordinary", WQ_UNBOUND, 1);

	own = alloc_ordered_workqueue("ordinary/%ld", 0, number);
	own = create_singlethread_workqueue("ordinary");
	INIT_WORK(&work, work_function);
	INIT_DELAYED_WORK(&delayed, work_function);
	INIT_WORK_ONSTACK(&on_stack, work_function);
	destroy_work_on_stack(&on_stack);
	number = schedule_work(&work) + schedule_work_on(0, &work) + schedule_delayed_work(&delayed, 3);
	number = queue_work(own, &work) + queue_delayed_work(own, &delayed, 3);
	number = queue_work(system_long_wq, &work) + queue_work(system_unbound_wq, &work);
	number = queue_work(system_highpri_wq, &work) + queue_work(system_power_efficient_wq, &work);
	number = mod_delayed_work(own, &delayed, 3) + work_pending(&work) + work_busy(&work);
	number = flush_work(&work) + flush_delayed_work(&delayed);
	number = cancel_work(&work) + cancel_work_sync(&work);
	number = cancel_delayed_work(&delayed) + cancel_delayed_work_sync(&delayed);
#if NEWER(6, 10)
	number = disable_work_sync(&work) + enable_work(&work);
#endif
	flush_workqueue(own);
	drain_workqueue(own);
	destroy_workqueue(own);
	tasklet_setup(&tasklet, tasklet_function);
	tasklet_schedule(&tasklet);
	tasklet_hi_schedule(&tasklet);
	tasklet_disable(&tasklet);
	tasklet_enable(&tasklet);
	tasklet_kill(&tasklet);
	number = request_irq(number, interrupt, IRQF_SHARED, "ordinary", buffer);
	number = request_threaded_irq(number, interrupt, interrupt, 0, "ordinary", buffer);
	disable_irq(number);
	enable_irq(number);
	synchronize_irq(number);
	text = free_irq(number, buffer);
}

static void on_cpu(void *data)
{
}

static void numbers_and_cpus(void)
{
	int __percpu *counters = alloc_percpu_gfp(int, GFP_KERNEL);
	struct percpu_counter total;
	uuid_t uuid;
	int cpu;

	this_cpu_inc(counter);
	number = this_cpu_read(counter) + this_cpu_add_return(counter, 2) + per_cpu(counter, number);
	get_cpu_var(counter)++;
	put_cpu_var(counter);
	*this_cpu_ptr(counters) = *per_cpu_ptr(counters, number);
	number = percpu_counter_init(&total, 0, GFP_KERNEL) + percpu_counter_sum(&total);
	percpu_counter_inc(&total);
	number = percpu_counter_compare(&total, 3);
	percpu_counter_destroy(&total);
	for_each_online_cpu(cpu)
		number += cpu_online(cpu);
	for_each_possible_cpu(cpu)
		number++;
	for_each_present_cpu(cpu)
		number++;
	number = num_online_cpus() + num_possible_cpus() + nr_cpu_ids + raw_smp_processor_id();
	number = get_cpu() + smp_processor_id();
	put_cpu();
	cpus_read_lock();
	cpus_read_unlock();
	on_each_cpu(on_cpu, NULL, 1);
	number = smp_call_function_single(number, on_cpu, NULL, 1);

	number = get_random_u8() + get_random_u16() + get_random_u32() + get_random_u64();
	number = get_random_u32_below(number) + get_random_u32_below(6) + get_random_u32_inclusive(1, number);
	get_random_bytes(buffer, number);
	number = wait_for_random_bytes();
	uuid_gen(&uuid);
	number = uuid_parse(text, &uuid);

	number = hweight8(number) + hweight16(number) + hweight32(number) + hweight64(number);
	number = hweight_long(number) + ffs(number) + fls(number) + __ffs(number) + fls64(number);
	set_bit(number, bits);
	clear_bit(number, bits);
	change_bit(number, bits);
	number = test_bit(number, bits) + test_and_set_bit(number, bits) + test_and_clear_bit(number, bits);
	number = find_first_bit(bits, 200) + find_next_bit(bits, 200, number);
	number = find_first_zero_bit(bits, 200) + find_next_zero_bit(bits, 200, number);
	number = find_last_bit(bits, 200) + find_nth_bit(bits, 200, number);
	for_each_set_bit(cpu, bits, 200)
		number++;
	bitmap_set(bits, number, number);
	bitmap_clear(bits, number, number);
	bitmap_zero(bits, 200);
	bitmap_fill(bits, 200);
	bitmap_or(bits, bits, bits, 200);
	number = bitmap_and(bits, bits, bits, 200) + bitmap_weight(bits, 200) + bitmap_equal(bits, bits, 200);
	number = bitmap_find_next_zero_area(bits, 200, 0, number, 0) + bitmap_empty(bits, 200);
	number = bitmap_parselist(text, bits, 200);
	pointer = bitmap_zalloc(number, GFP_KERNEL);
	bitmap_free(pointer);
	number = gcd(number, 3) + lcm(number, 3) + int_sqrt(number) + int_pow(number, 3);
	number = ilog2(number) + roundup_pow_of_two(number);
}

static ssize_t file_read(struct file *file, char __user *to, size_t size, loff_t *offset)
{
	if (put_user(1, to) || put_user(number, (long __user *)to) || put_user(number, (short __user *)to) ||
	    put_user(number, (int __user *)to))
		return -EFAULT;
	if (copy_to_user(to, buffer, size) || copy_to_user(to, buffer, 4) || clear_user(to, size))
		return -EFAULT;
	if (!access_ok(to, size) || __put_user(3, to) || __copy_to_user(to, buffer, size))
		return -EFAULT;
	return simple_read_from_buffer(to, size, offset, buffer, sizeof(buffer));
}

static ssize_t file_write(struct file *file, const char __user *from, size_t size, loff_t *offset)
{
	char byte;
	short half;
	int value;
	long wide;
	bool flag;
	u64 huge;

	if (get_user(byte, from) || get_user(half, (short __user *)from) ||
	    get_user(value, (int __user *)from) || get_user(wide, (long __user *)from) ||
	    get_user(huge, (u64 __user *)from) || __get_user(byte, from))
		return -EFAULT;
	if (copy_from_user(buffer, from, size) || copy_from_user(&value, from, sizeof(value)) ||
	    copy_struct_from_user(buffer, sizeof(buffer), from, size) ||
	    __copy_from_user(buffer, from, size))
		return -EFAULT;
	pointer = memdup_user(from, size);
	pointer = memdup_user_nul(from, size);
	pointer = vmemdup_user(from, size);
	pointer = strndup_user(from, size);
	number = strncpy_from_user(buffer, from, size) + strnlen_user(from, size) + byte + half + wide + huge;
	number = kstrtoint_from_user(from, size, 0, &value) + kstrtoul_from_user(from, size, 0, &wide);
	number = kstrtobool_from_user(from, size, &flag);
	return simple_write_to_buffer(buffer, sizeof(buffer), offset, from, size);
}

static ssize_t file_read_iter(struct kiocb *kiocb, struct iov_iter *to)
{
	return copy_to_iter(buffer, sizeof(buffer), to) + iov_iter_zero(3, to);
}

static ssize_t file_write_iter(struct kiocb *kiocb, struct iov_iter *from)
{
	iov_iter_revert(from, 3);
	return copy_from_iter(buffer, sizeof(buffer), from);
}

static __poll_t file_poll(struct file *file, struct poll_table_struct *table)
{
	poll_wait(file, &queue, table);
	return EPOLLIN | EPOLLRDNORM;
}

static struct fasync_struct *fasync;

static int file_fasync(int fd, struct file *file, int on)
{
	kill_fasync(&fasync, SIGIO, POLL_IN);
	return fasync_helper(fd, file, on, &fasync);
}

static long file_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	return -ENOTTY;
}

static loff_t file_llseek(struct file *file, loff_t offset, int whence)
{
	switch (whence) {
	case SEEK_SET:
		return fixed_size_llseek(file, offset, whence, sizeof(buffer));
	case SEEK_CUR:
		return default_llseek(file, offset, whence);
	default:
		return noop_llseek(file, offset, whence);
	}
}

static int file_open(struct inode *inode, struct file *file)
{
	file->private_data = pde_data(inode);
	number = iminor(inode) + imajor(inode) + try_module_get(THIS_MODULE);
	module_put(THIS_MODULE);
	number = nonseekable_open(inode, file);
	return stream_open(inode, file);
}

static const struct file_operations file_operations = {
	.owner = THIS_MODULE,
	.open = file_open,
	.read = file_read,
	.write = file_write,
	.poll = file_poll,
	.fasync = file_fasync,
	.unlocked_ioctl = file_ioctl,
	.llseek = file_llseek,
};

static const struct file_operations iter_operations = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read_iter = file_read_iter,
	.write_iter = file_write_iter,
	.llseek = no_seek_end_llseek,
};

static void *nodes_start(struct seq_file *seq, loff_t *position)
{
	mutex_lock(&mutex);
	return seq_list_start_head(&nodes, *position);
}

static void *nodes_next(struct seq_file *seq, void *entry, loff_t *position)
{
	return seq_list_next(entry, &nodes, position);
}

static void nodes_stop(struct seq_file *seq, void *entry)
{
	mutex_unlock(&mutex);
}

static int nodes_show(struct seq_file *seq, void *entry)
{
	seq_puts(seq, "constant\n");
	seq_puts(seq, text);
	seq_putc(seq, '\n');
	seq_printf(seq, "%ld\n", number);
	seq_write(seq, buffer, 3);
	seq_put_decimal_ull(seq, " ", number);
	seq_put_decimal_ll(seq, " ", number);
	seq_escape(seq, text, "\n");
	seq_pad(seq, ' ');
	seq_hex_dump(seq, "", DUMP_PREFIX_NONE, 16, 1, buffer, 3, true);
	seq_bprintf(seq, text, NULL);
	return 0;
}

static const struct seq_operations nodes_operations = {
	.start = nodes_start,
	.next = nodes_next,
	.stop = nodes_stop,
	.show = nodes_show,
};

DEFINE_SHOW_ATTRIBUTE(nodes);

static int seq_private_open(struct inode *inode, struct file *file)
{
	pointer = __seq_open_private(file, &nodes_operations, 9);
	number = seq_open(file, &nodes_operations) + seq_open_private(file, &nodes_operations, 9);
	number = single_open(file, nodes_show, NULL) + single_open_size(file, nodes_show, NULL, 99);
	number = seq_release_private(inode, file) + seq_release(inode, file);
	return 0;
}

static const struct proc_ops proc_operations = {
	.proc_open = seq_private_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = file_write,
};

static struct ctl_table sysctls[] = {
	{
		.procname = "ordinary",
		.data = (void *)&flag_word,
		.maxlen = sizeof(int),
		.mode = 0644,
		.proc_handler = proc_dointvec_minmax,
		.extra1 = SYSCTL_ZERO,
		.extra2 = SYSCTL_ONE,
	},
	{
		.procname = "ordinary_wide",
		.data = (void *)&flag_word,
		.maxlen = sizeof(long),
		.mode = 0644,
		.proc_handler = proc_doulongvec_minmax,
	},
};

static void proc(void)
{
	struct proc_dir_entry *folder = proc_mkdir("ordinary", NULL), *entry;
	struct ctl_table_header *header = register_sysctl_sz("ordinary", sysctls, ARRAY_SIZE(sysctls));

	folder = proc_mkdir_mode("ordinary", 0755, folder);
	folder = proc_mkdir_data("ordinary", 0755, folder, NULL);
	entry = proc_create("ordinary", 0, folder, &proc_operations);
	entry = proc_create_data("ordinary", 0, folder, &proc_operations, NULL);
	entry = proc_create_seq("ordinary", 0, folder, &nodes_operations);
	entry = proc_create_seq_private("ordinary", 0, folder, &nodes_operations, 9, NULL);
	entry = proc_create_single("ordinary", 0, folder, nodes_show);
	entry = proc_symlink("ordinary", folder, "target");
	proc_set_size(entry, 9);
	proc_set_user(entry, GLOBAL_ROOT_UID, GLOBAL_ROOT_GID);
	proc_remove(entry);
	remove_proc_entry("ordinary", folder);
	number = remove_proc_subtree("ordinary", NULL);
	unregister_sysctl_table(header);
}

static ssize_t plain_show(struct kobject *kobj, struct kobj_attribute *attribute, char *to)
{
	return sysfs_emit(to, "%ld\n", number) + sysfs_emit_at(to, 3, "\n");
}

static struct kobj_attribute plain = __ATTR_RO(plain);

static ssize_t value_show(struct device *device, struct device_attribute *attribute, char *to)
{
	pointer = dev_get_drvdata(device);
	return sprintf(to, "%ld\n", number);
}

static DEVICE_ATTR_RO(value);
static int whole;
static DEVICE_INT_ATTR(whole, 0644, whole);

static struct attribute *ordinary_attrs[] = {
	&dev_attr_value.attr,
	&dev_attr_whole.attr.attr,
	NULL,
};
ATTRIBUTE_GROUPS(ordinary);

static void release_kobject(struct kobject *kobj)
{
}

static const struct kobj_type kobject_type = {
	.release = release_kobject,
	.sysfs_ops = &kobj_sysfs_ops,
};

static void release_device(struct device *device)
{
}

static void devices(void)
{
	static struct cdev cdev;
	static struct kobject own;
	static struct device device;
	static struct miscdevice misc = {
		.minor = MISC_DYNAMIC_MINOR,
		.name = "ordinary",
		.fops = &file_operations,
	};
	static struct miscdevice iter_misc = {
		.minor = MISC_DYNAMIC_MINOR,
		.name = "ordinary_iter",
		.fops = &iter_operations,
	};
	struct class *class = class_create("ordinary");
	struct kobject *kobj = kobject_create_and_add("ordinary", kernel_kobj);
	struct device *created;
	dev_t numbers;

	number = misc_register(&misc) + misc_register(&iter_misc);
	misc_deregister(&misc);
	number = alloc_chrdev_region(&numbers, 0, 1, "ordinary");
	number = register_chrdev_region(numbers, 1, "ordinary");
	number = register_chrdev(0, "ordinary", &file_operations);
	unregister_chrdev(number, "ordinary");
	unregister_chrdev_region(numbers, 1);
	cdev_init(&cdev, &file_operations);
	pointer = cdev_alloc();
	number = cdev_add(&cdev, numbers, 1);
	cdev_del(&cdev);
	created = device_create(class, NULL, numbers, NULL, "ordinary%d", 1);
	created = device_create_with_groups(class, NULL, numbers, NULL, ordinary_groups, "ordinary");
	number = device_create_file(created, &dev_attr_value);
	device_remove_file(created, &dev_attr_value);
	device_destroy(class, numbers);
	device_initialize(&device);
	device.release = release_device;
	number = dev_set_name(&device, "ordinary%d", 1) + cdev_device_add(&cdev, &device);
	cdev_device_del(&cdev, &device);
	number = device_add(&device) + device_register(&device);
	device_del(&device);
	get_device(&device);
	put_device(&device);
	device_unregister(&device);
	class_destroy(class);
	dev_info(&device, "ordinary\n");
	dev_err(&device, "ordinary\n");
	kobject_init(&own, &kobject_type);
	number = kobject_init_and_add(&own, &kobject_type, kobj, "ordinary");
	number = sysfs_create_file(kobj, &plain.attr) + sysfs_create_groups(kobj, ordinary_groups);
	number = sysfs_create_link(kobj, &own, "ordinary") + sysfs_create_group(kobj, &ordinary_group);
	sysfs_notify(kobj, NULL, "plain");
	sysfs_remove_link(kobj, "ordinary");
	sysfs_remove_group(kobj, &ordinary_group);
	sysfs_remove_file(kobj, &plain.attr);
	kobject_get(kobj);
	kobject_put(kobj);
}

static void messages(void)
{
	pr_emerg("ordinary\n");
	pr_err("ordinary %s\n", text);
	pr_warn("ordinary\n");
	pr_notice("ordinary\n");
	pr_info("ordinary %pS %*ph\n", pointer, 3, buffer);
	pr_cont("ordinary\n");
	pr_debug("ordinary\n");
	printk(KERN_INFO "%s", current->comm);
	pr_info_once("ordinary\n");
	pr_warn_once("ordinary\n");
	pr_info_ratelimited("ordinary\n");
	printk_ratelimited(KERN_INFO "ordinary\n");
	if (printk_ratelimit() && __ratelimit(&ratelimit))
		pr_info("ordinary\n");
	if (printk_timed_ratelimit(&flag_word, 3))
		pr_info("ordinary\n");
	print_hex_dump(KERN_INFO, "", DUMP_PREFIX_OFFSET, 16, 1, buffer, 3, true);
	print_hex_dump_bytes("", DUMP_PREFIX_NONE, buffer, 3);
	dump_stack();
	WARN_ON(number);
	WARN_ON_ONCE(number);
	WARN(number, "ordinary %ld\n", number);
	WARN_ONCE(number, "ordinary\n");
	BUG_ON(number);
}

static int whole_parameter;
module_param(whole_parameter, int, 0644);
static char *text_parameter = "text";
module_param(text_parameter, charp, 0444);
static bool bool_parameter;
module_param(bool_parameter, bool, 0644);
static int array_parameter[3];
module_param_array(array_parameter, int, NULL, 0444);

static int set_checked(const char *value, const struct kernel_param *parameter)
{
	return param_set_int(value, parameter);
}

static const struct kernel_param_ops checked_ops = {
	.set = set_checked,
	.get = param_get_int,
};
module_param_cb(checked, &checked_ops, &whole_parameter, 0644);

static int __init ordinary_calls_init(void)
{
	kernel_param_lock(THIS_MODULE);
	kernel_param_unlock(THIS_MODULE);
	pointer = (void *)&nodes_fops;
	strings();
	memory();
	lists();
	locks();
	waiting();
	threads();
	times();
	work_queues();
	numbers_and_cpus();
	proc();
	devices();
	messages();
	return 0;
}

static void __exit ordinary_calls_exit(void)
{
}

module_init(ordinary_calls_init);
module_exit(ordinary_calls_exit);

MODULE_DESCRIPTION("Calls the ordinary functions of the kernel");
MODULE_LICENSE("GPL");
