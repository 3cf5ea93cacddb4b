//! The memory of Client Hellos that are not whole yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;

/// Bytes that every connection may read ahead whatever the others do: room for the hello of any
/// browser, in records of one byte too. Only what is over it is counted.
pub(crate) const UNCOUNTED_LEN: usize = 16 * 1024;

/// Bytes of room that a connection starts with: more than one Client Hello of a browser.
const ROOM_MIN: usize = 4096;

/// The memory that long Client Hellos of all workers hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct HelloMemory(Arc<AtomicUsize>);

/// What one connection holds of it, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: usize,
    of: HelloMemory,
}

/// There is no more of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Exhausted;

impl HelloMemory {
    /// Makes room for at least one byte more in what a connection reads ahead, if all connections
    /// together then hold no more than `bytes_max`.
    pub(super) fn make_room(
        &self,
        read_ahead: &mut BytesMut,
        held: &mut Held,
        bytes_max: usize,
    ) -> Result<(), Exhausted> {
        let room = read_ahead.capacity();
        if read_ahead.len() < room {
            return Ok(());
        }
        let room = room.saturating_mul(2).max(ROOM_MIN);
        self.hold(held, room.saturating_sub(UNCOUNTED_LEN), bytes_max)?;
        read_ahead.reserve(room - read_ahead.len());
        Ok(())
    }

    /// Lets a connection hold `bytes` instead of what it holds.
    fn hold(&self, held: &mut Held, bytes: usize, bytes_max: usize) -> Result<(), Exhausted> {
        let Some(more) = bytes.checked_sub(held.bytes).filter(|more| *more > 0) else {
            return Ok(());
        };
        let within = |all: usize| all.checked_add(more).filter(|all| *all <= bytes_max);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, within)
            .map_err(|_| Exhausted)?;
        held.of = self.clone();
        held.bytes = bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes > 0 {
            let before = self.of.0.fetch_sub(self.bytes, Ordering::Relaxed);
            debug_assert!(before >= self.bytes, "what is held was counted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everyone_may_have_is_not_counted() {
        let memory = HelloMemory::default();
        let (mut bytes, mut held) = (BytesMut::new(), Held::default());
        while bytes.len() < UNCOUNTED_LEN {
            memory.make_room(&mut bytes, &mut held, 0).unwrap();
            bytes.resize(bytes.capacity(), 0);
        }
        assert_eq!((bytes.len(), counted(&memory)), (UNCOUNTED_LEN, 0));
        let room = memory.make_room(&mut bytes, &mut held, 0);
        assert_eq!(room, Err(Exhausted));
    }

    #[test]
    fn the_last_byte_is_given_and_no_further() {
        let memory = HelloMemory::default();
        let (mut bytes, mut held) = (full(UNCOUNTED_LEN), Held::default());
        let short = memory.make_room(&mut bytes, &mut held, UNCOUNTED_LEN - 1);
        assert_eq!((short, counted(&memory)), (Err(Exhausted), 0));
        memory
            .make_room(&mut bytes, &mut held, UNCOUNTED_LEN)
            .unwrap();
        assert_eq!(bytes.capacity(), 2 * UNCOUNTED_LEN);
        assert_eq!(counted(&memory), UNCOUNTED_LEN);
        let (mut other, mut others) = (full(UNCOUNTED_LEN), Held::default());
        let refused = memory.make_room(&mut other, &mut others, UNCOUNTED_LEN);
        assert_eq!(refused, Err(Exhausted));
        drop(held);
        assert_eq!(counted(&memory), 0);
        memory
            .make_room(&mut other, &mut others, UNCOUNTED_LEN)
            .unwrap();
    }

    #[test]
    fn what_is_held_is_the_room_there_is() {
        let memory = HelloMemory::default();
        let (mut bytes, mut held) = (BytesMut::new(), Held::default());
        for _ in 0..8 {
            memory.make_room(&mut bytes, &mut held, usize::MAX).unwrap();
            bytes.resize(bytes.capacity(), 0);
            let over = bytes.capacity().saturating_sub(UNCOUNTED_LEN);
            assert_eq!(counted(&memory), over);
        }
    }

    fn full(len: usize) -> BytesMut {
        let mut bytes = BytesMut::with_capacity(len);
        bytes.resize(len, 0);
        bytes
    }

    fn counted(memory: &HelloMemory) -> usize {
        memory.0.load(Ordering::Relaxed)
    }
}
