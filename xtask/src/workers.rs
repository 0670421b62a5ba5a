//! Threads that work through a list.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `work` on every item, on at most `workers` threads, and returns the results in the
/// order of the items. Items are begun in their order.
///
/// # Panics
///
/// Panics if `work` does.
pub fn map<I: Sync, T: Send>(workers: usize, items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut results = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return results;
            };
            results.push((index, work(item)));
        }
    };
    let mut results: Vec<(usize, T)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers.min(items.len()))
            .map(|_| scope.spawn(worker))
            .collect();
        let results = workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        results.collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        let squares = map(3, &items, |item| {
            std::thread::sleep(std::time::Duration::from_micros(100 - item));
            item * item
        });
        assert_eq!(
            squares,
            (0..100).map(|item| item * item).collect::<Vec<_>>()
        );
        assert!(map(3, &[0; 0], |_| 1).is_empty());
    }
}
