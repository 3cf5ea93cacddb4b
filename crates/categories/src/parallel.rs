//! Work that is shared between threads; what comes of it does not depend on how many there are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Returns what `part` makes of every number below `count`, in order, on so many threads at most.
pub(crate) fn map<T: Send>(
    threads: usize,
    count: usize,
    part: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let threads = threads.min(count);
    if threads < 2 {
        return (0..count).map(part).collect();
    }
    let next = AtomicUsize::new(0);
    let take = || {
        let mut made = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return made;
            }
            made.push((number, part(number)));
        }
    };
    let mut made: Vec<(usize, T)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(take)).collect();
        let mut made = take();
        for other in others {
            // A panic of one thread is one of all.
            match other.join() {
                Ok(more) => made.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        made
    });
    made.sort_unstable_by_key(|(number, _)| *number);
    made.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_order_on_any_number_of_threads() {
        for threads in [0, 1, 2, 7] {
            for count in [0, 1, 2, 100] {
                let squares = map(threads, count, |number| number * number);
                let expected: Vec<usize> = (0..count).map(|number| number * number).collect();
                assert_eq!(squares, expected);
            }
        }
    }
}
