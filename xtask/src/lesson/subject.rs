//! The subjects of kernel reports, as names for programs.

/// The part of the kernel that reports, or the kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Locks: their order, balance and lifetime, and the rules of RCU.
    Lockdep,
    /// Sleep in a context that must not sleep.
    AtomicSleep,
    /// Access to memory that is not allocated, or that is freed.
    Kasan,
    /// A data race.
    Kcsan,
    /// Memory without a reference to it.
    Kmemleak,
    /// Behaviour that C leaves undefined.
    Ubsan,
    /// A corrupt object of the slab allocator.
    Slab,
    /// A list with a broken link.
    List,
    /// A wrong reference count.
    Refcount,
    /// A timer, a work item or the like that is freed while it is active.
    DebugObjects,
    /// A lack of memory, for which the kernel ended a process.
    OutOfMemory,
    /// Any other warning.
    Warning,
}

/// Phrases of headlines with their subjects. The first match counts.
const WORDS: &[(&str, Subject)] = {
    use Subject::{
        AtomicSleep, DebugObjects, Kasan, Kcsan, Kmemleak, List, Lockdep, OutOfMemory, Refcount,
        Slab, Ubsan,
    };
    &[
        ("kmemleak: ", Kmemleak),
        ("BUG: KASAN: ", Kasan),
        ("KASAN: ", Kasan),
        ("KFENCE: ", Kasan),
        ("BUG: KCSAN: ", Kcsan),
        ("UBSAN: ", Ubsan),
        ("ODEBUG: ", DebugObjects),
        ("refcount_t: ", Refcount),
        ("list_add ", List),
        ("list_del ", List),
        (
            "BUG: sleeping function called from invalid context",
            AtomicSleep,
        ),
        ("BUG: scheduling while atomic", AtomicSleep),
        ("BUG: workqueue leaked atomic", AtomicSleep),
        ("do not call blocking ops when !TASK_RUNNING", AtomicSleep),
        ("WARNING: possible ", Lockdep),
        ("INFO: possible ", Lockdep),
        ("-unsafe lock order detected", Lockdep),
        ("WARNING: inconsistent lock state", Lockdep),
        ("WARNING: Nested lock was not taken", Lockdep),
        ("WARNING: bad unlock balance", Lockdep),
        ("WARNING: bad contention", Lockdep),
        ("WARNING: held lock freed", Lockdep),
        ("WARNING: lock held when returning", Lockdep),
        ("still has locks held", Lockdep),
        ("WARNING: suspicious RCU usage", Lockdep),
        ("WARNING: chain_key collision", Lockdep),
        ("INFO: trying to register non-static key", Lockdep),
        ("BUG: Invalid wait context", Lockdep),
        ("BUG: MAX_", Lockdep),
        ("DEBUG_LOCKS_WARN_ON", Lockdep),
        ("BUG ", Slab),
        ("Out of memory: ", OutOfMemory),
    ]
};

/// Returns the subject of a kernel report by its headline.
pub fn subject(headline: &str) -> Subject {
    WORDS
        .iter()
        .find(|(words, _)| headline.contains(words))
        .map_or(Subject::Warning, |(_, subject)| *subject)
}

impl Subject {
    /// Returns the subject's name for programs. These names do not change.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Lockdep => "lockdep",
            Subject::AtomicSleep => "atomic-sleep",
            Subject::Kasan => "kasan",
            Subject::Kcsan => "kcsan",
            Subject::Kmemleak => "kmemleak",
            Subject::Ubsan => "ubsan",
            Subject::Slab => "slab",
            Subject::List => "list",
            Subject::Refcount => "refcount",
            Subject::DebugObjects => "debug-objects",
            Subject::OutOfMemory => "out-of-memory",
            Subject::Warning => "warning",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headline_determines_the_subject() {
        for (headline, name) in [
            (
                "WARNING: possible circular locking dependency detected",
                "lockdep",
            ),
            ("WARNING: inconsistent lock state", "lockdep"),
            ("WARNING: insmod/60 still has locks held!", "lockdep"),
            (
                "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585",
                "atomic-sleep",
            ),
            (
                "BUG: scheduling while atomic: insmod/60/0x00000002",
                "atomic-sleep",
            ),
            (
                "BUG: KASAN: slab-use-after-free in bug+0x1/0x2 [x]",
                "kasan",
            ),
            (
                "BUG: KCSAN: data-race in bug [x] / init_module [x]",
                "kcsan",
            ),
            ("kmemleak: 1 new suspected memory leaks (see x)", "kmemleak"),
            ("UBSAN: array-index-out-of-bounds in x.c:1:2", "ubsan"),
            (
                "BUG kmalloc-64 (Tainted: G           O      ): Poison overwritten",
                "slab",
            ),
            ("list_del corruption, ffff->next is LIST_POISON1", "list"),
            ("refcount_t: addition on 0; use-after-free.", "refcount"),
            (
                "ODEBUG: free active (active state 0) object: ffff object type: timer_list",
                "debug-objects",
            ),
            (
                "Out of memory: Killed process 43 (dd) total-vm:3284kB",
                "out-of-memory",
            ),
            ("WARNING: CPU: 0 PID: 1 at x.c:1 x", "warning"),
        ] {
            assert_eq!(subject(headline).name(), name, "{headline}");
        }
    }
}
