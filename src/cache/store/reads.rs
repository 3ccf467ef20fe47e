//! Reads of one shard that the policy has not been told of: bounded and lossy, so that a hit costs one push.

/// Reads kept a shard until they are passed on.
const ROOM: usize = 128;

#[derive(Debug, Default)]
pub(in crate::cache) struct Reads(Vec<u64>);

impl Reads {
    /// Notes a read; `true` if somebody should come and pass them on. Without room it is lost: what is read
    /// often comes again.
    #[inline]
    pub(in crate::cache) fn push(&mut self, policy_key: u64) -> bool {
        if self.0.len() < ROOM {
            self.0.push(policy_key);
        }
        self.are_many()
    }

    /// Whether somebody should come and pass them on.
    #[inline]
    pub(in crate::cache) fn are_many(&self) -> bool {
        self.0.len() >= ROOM / 2
    }

    pub(in crate::cache) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = u64> {
        self.0.drain(..)
    }

    pub(in crate::cache) fn clear(&mut self) {
        self.0.clear();
    }
}
