//! What a report of the kernel's is about, as a name for programs.

/// What part of the kernel reports, or of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Locks: their order, their balance, their life, RCU's rules.
    Lockdep,
    /// Sleep where a CPU may not be given away.
    AtomicSleep,
    /// An access to memory that is not there, or not any more.
    Kasan,
    /// Memory that nothing points to.
    Kmemleak,
    /// What the C language does not define.
    Ubsan,
    /// An object of the slab allocator, written to where it should not be.
    Slab,
    /// A list with a broken link.
    List,
    /// A reference count that went wrong.
    Refcount,
    /// A timer, a work item or the like that is freed in use.
    DebugObjects,
    /// Any other warning.
    Warning,
}

/// Words of a report's headline, and what they tell. The first that fits
/// counts.
const WORDS: &[(&str, Subject)] = {
    use Subject::{
        AtomicSleep, DebugObjects, Kasan, Kmemleak, List, Lockdep, Refcount, Slab, Ubsan,
    };
    &[
        ("kmemleak: ", Kmemleak),
        ("BUG: KASAN: ", Kasan),
        ("KASAN: ", Kasan),
        ("KFENCE: ", Kasan),
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
    ]
};

/// The subject of the report with this headline.
pub fn subject(headline: &str) -> Subject {
    WORDS
        .iter()
        .find(|(words, _)| headline.contains(words))
        .map_or(Subject::Warning, |(_, subject)| *subject)
}

impl Subject {
    /// The subject's name, for programs. These names do not change.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Lockdep => "lockdep",
            Subject::AtomicSleep => "atomic-sleep",
            Subject::Kasan => "kasan",
            Subject::Kmemleak => "kmemleak",
            Subject::Ubsan => "ubsan",
            Subject::Slab => "slab",
            Subject::List => "list",
            Subject::Refcount => "refcount",
            Subject::DebugObjects => "debug-objects",
            Subject::Warning => "warning",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headline_tells_its_subject() {
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
            ("WARNING: CPU: 0 PID: 1 at x.c:1 x", "warning"),
        ] {
            assert_eq!(subject(headline).name(), name, "{headline}");
        }
    }
}
