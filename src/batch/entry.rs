//! A job, a lane and an item as the board knows them.

use std::collections::{BTreeSet, VecDeque};

use ahash::AHashMap;

use super::orders::{JobId, When};
use super::room::InLine;
use crate::clock::{Deadline, Tick};
use crate::name::Name;
use crate::pool::WorkerJob;

pub(super) struct Entry<J> {
    pub(super) handle: J,
    pub(super) deadline: Deadline,
    pub(super) joined: Tick,
    pub(super) lanes: AHashMap<Option<Name>, Lane>,
    /// Lanes that may be called now, in turn.
    pub(super) ring: VecDeque<Option<Name>>,
    pub(super) later: BTreeSet<When>,
    pub(super) is_listed: bool,
    pub(super) waiting: usize,
    pub(super) turns: u64,
    pub(super) has_room: bool,
    pub(super) in_line: Option<InLine>,
}

#[derive(Default)]
pub(super) struct Lane {
    pub(super) items: VecDeque<usize>,
    /// Its number among those that wait for a place at their source; listed in the ring without.
    pub(super) parked: Option<u64>,
}

pub(super) struct Running<J> {
    pub(super) job: J,
    pub(super) index: usize,
    pub(super) started: Tick,
    pub(super) expires: Tick,
    pub(super) source: Option<Name>,
    pub(super) worker: WorkerJob,
}

pub(super) struct Later {
    pub(super) job: JobId,
    pub(super) index: usize,
    pub(super) source: Option<Name>,
}

impl<J> Entry<J> {
    pub(super) fn new(handle: J, deadline: Deadline, joined: Tick) -> Self {
        Self {
            handle,
            deadline,
            joined,
            lanes: AHashMap::new(),
            ring: VecDeque::new(),
            later: BTreeSet::new(),
            is_listed: false,
            waiting: 0,
            turns: 0,
            has_room: false,
            in_line: None,
        }
    }
}
