//! The right to make one call, as two plain words.

/// The right to make one call: two plain words, which travel in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    /// Grows with every transition; results of an older one change nothing.
    pub(super) generation: u64,
    /// Two bits of kind, and a number.
    tag: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrantKind {
    /// Judged by how it ends.
    Plain,
    /// Followed, because calls may be slow.
    Followed(u64),
    Probe(u64),
    /// Nothing is recorded: the breaker is off, or would have refused the call.
    Unrecorded,
}

impl Grant {
    #[inline]
    pub(super) fn plain(generation: u64) -> Self {
        Self { generation, tag: 0 }
    }

    #[inline]
    pub(super) fn unrecorded() -> Self {
        Self { generation: 0, tag: 3 }
    }

    #[inline]
    pub(super) fn is_plain(self) -> bool {
        self.tag == 0
    }

    #[inline]
    pub(super) fn is_unrecorded(self) -> bool {
        self.tag == 3
    }

    pub(super) fn new(generation: u64, kind: GrantKind) -> Self {
        let tag = match kind {
            GrantKind::Plain => 0,
            GrantKind::Followed(number) => number << 2 | 1,
            GrantKind::Probe(number) => number << 2 | 2,
            GrantKind::Unrecorded => 3,
        };
        Self { generation, tag }
    }

    pub(super) fn kind(self) -> GrantKind {
        match (self.tag & 3, self.tag >> 2) {
            (0, _) => GrantKind::Plain,
            (1, number) => GrantKind::Followed(number),
            (2, number) => GrantKind::Probe(number),
            _ => GrantKind::Unrecorded,
        }
    }
}
