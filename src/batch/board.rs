//! Who goes next, pure: (board, event, now) -> a turn, and what has to be told. The engine holds it under
//! its lock, and does what [`Effects`] say after it.
//!
//! ```text
//! offer -> lane of its source -> ring of its job -> order of jobs -> take: a place at the source, a turn
//!            |  source full: parked there, until a place is free      |  ends, or expires
//!            +-- paced: later, until its time                         +--> the next parked lane is listed
//! ```
//! Every step costs the same whatever the number of jobs, sources and items. Invariants:
//! - a lane with items is listed once: in the ring of its job, or parked at its full source;
//! - where lanes are parked and a place is free, one of them is listed;
//! - the order is not empty: a worker is on its way to look at it, or all that may be are at work, each of
//!   which looks when its call ends. A worker leaves in the step in which it has seen the order empty.

use std::collections::BTreeMap;
use std::time::Duration;

use ahash::AHashMap;

use super::entry::{Entry, Later, Running};
use super::orders::{Arrival, CallId, Effects, Failure, ItemTurn, JobId, Limits, Offer, When};
use super::places::Places;
use super::room::Room;
use super::turn_order::TurnOrder;
use crate::clock::{Deadline, Tick};
use crate::name::Name;

pub(super) struct Board<J> {
    limits: Limits,
    jobs: AHashMap<JobId, Entry<J>>,
    /// Jobs with a lane in their ring, each once.
    order: TurnOrder,
    places: Places,
    running: AHashMap<CallId, Running<J>>,
    /// Items whose time has not come.
    later: BTreeMap<When, Later>,
    room: Room,
    at_work: usize,
    /// Of these, on their way to look at the order.
    coming: usize,
    numbers: u64,
    ended: usize,
    is_closed: bool,
    /// The tick the alarm was last set to.
    alarm_at: Tick,
}

impl<J: Clone> Board<J> {
    pub(super) fn new(mut limits: Limits) -> Self {
        let places = Places::new(limits.per_source, std::mem::take(&mut limits.exceptions));
        Self {
            jobs: AHashMap::new(),
            order: TurnOrder::default(),
            places,
            running: AHashMap::new(),
            later: BTreeMap::new(),
            room: Room::new(limits.room),
            limits,
            at_work: 0,
            coming: 0,
            numbers: 0,
            ended: 0,
            is_closed: false,
            alarm_at: Tick::MAX,
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    // ===== jobs and their items =====

    pub(super) fn join(&mut self, handle: J, deadline: Deadline, now: Tick) -> JobId {
        let id = self.number();
        let entry = Entry::new(handle, deadline, now);
        self.jobs.insert(id, entry);
        id
    }

    /// How long the oldest job with items that wait has been here.
    pub(super) fn queue_age(&self, now: Tick) -> Duration {
        let waiting = self.jobs.values().filter(|entry| entry.waiting > 0);
        waiting.map(|entry| now.since(entry.joined)).max().unwrap_or_default()
    }

    /// The job's owner has gone: what waits is forgotten, what runs is watched until it ends.
    pub(super) fn leave(&mut self, id: JobId, effects: &mut Effects<J>) {
        let _forgotten = self.take_waiting(id, effects);
        self.give_room_back(id, effects);
        self.jobs.remove(&id);
        self.staff(effects);
    }

    /// Takes an item that may start at `due`, if there is room. Without, the job stands in line for it, and
    /// is woken when it has some; a job that rejects does so only while it has items that wait.
    pub(super) fn offer(
        &mut self,
        id: JobId,
        item: (usize, Option<Name>),
        due: Option<Tick>,
        rejects: bool,
        effects: &mut Effects<J>,
    ) -> Offer {
        if self.is_closed {
            return Offer::Failed(Failure::ShuttingDown);
        }
        let (index, source) = item;
        if let Some(abandoned) = source.as_ref().and_then(|source| self.places.saturated(source)) {
            self.give_room_back(id, effects);
            return Offer::Failed(Failure::Saturated { abandoned });
        }
        let Some(entry) = self.jobs.get_mut(&id) else { return Offer::Failed(Failure::ShuttingDown) };
        if std::mem::take(&mut entry.has_room) {
            self.room.redeem();
        } else if !self.room.is_free() {
            if rejects && entry.waiting == 0 {
                return Offer::Rejected;
            }
            if entry.in_line.is_none() {
                entry.in_line = Some(self.room.stand_in_line(id, entry.waiting));
            }
            return Offer::Full;
        }
        self.room.enter();
        entry.waiting += 1;
        if let Some(due) = due {
            self.add_later(due, Later { job: id, index, source }, effects);
        } else {
            self.add(id, index, source);
        }
        self.staff(effects);
        Offer::Taken
    }

    /// Items of the job whose time has not come.
    pub(super) fn paced(&self, id: JobId) -> usize {
        self.jobs.get(&id).map_or(0, |entry| entry.later.len())
    }

    /// The job wants no room any more.
    pub(super) fn give_room_back(&mut self, id: JobId, effects: &mut Effects<J>) {
        let Some(entry) = self.jobs.get_mut(&id) else { return };
        if let Some(place) = entry.in_line.take() {
            self.room.leave_line(place);
        }
        if std::mem::take(&mut entry.has_room) {
            self.room.redeem();
            self.grant(effects);
        }
    }

    /// Takes all items of the job that wait.
    pub(super) fn take_waiting(&mut self, id: JobId, effects: &mut Effects<J>) -> Vec<usize> {
        let Some(entry) = self.jobs.get_mut(&id) else { return Vec::new() };
        let (lanes, later) = (std::mem::take(&mut entry.lanes), std::mem::take(&mut entry.later));
        entry.ring.clear();
        entry.waiting = 0;
        let mut taken = Vec::new();
        for (source, lane) in lanes {
            taken.extend(lane.items);
            let Some(source) = source else { continue };
            match lane.parked {
                Some(number) => self.places.unpark(&source, number),
                // A place it was listed for is another's now.
                None => self.list_parked(&source),
            }
        }
        for when in later {
            let Some(item) = self.later.remove(&when) else { continue };
            taken.push(item.index);
        }
        self.left_queue(taken.len(), effects);
        taken
    }

    /// Fails everything of the job that waits.
    pub(super) fn fail_waiting(&mut self, id: JobId, failure: Failure, effects: &mut Effects<J>) {
        self.fail_job(id, failure, effects);
        self.staff(effects);
    }

    fn fail_job(&mut self, id: JobId, failure: Failure, effects: &mut Effects<J>) {
        let taken = self.take_waiting(id, effects);
        self.give_room_back(id, effects);
        if let Some(entry) = self.jobs.get(&id) {
            effects.settled.extend(taken.into_iter().map(|index| (entry.handle.clone(), index, failure)));
        }
    }

    // ===== turns =====

    /// A worker has come: its first turn, or it leaves.
    pub(super) fn arrive(&mut self, by: Arrival, effects: &mut Effects<J>) -> Option<ItemTurn<J>> {
        self.coming -= 1;
        self.turn_or_leave(by, effects)
    }

    /// A call has ended: whether it was given up on before, and the worker's next turn. Without one, the
    /// worker leaves.
    pub(super) fn end(&mut self, call: CallId, by: Arrival, effects: &mut Effects<J>) -> (bool, Option<ItemTurn<J>>) {
        self.ended += 1;
        let ended = self.running.remove(&call);
        let source = match &ended {
            Some(running) => running.source.clone(),
            None => self.places.end_late(call),
        };
        // Its place is free now, whatever becomes of its result.
        self.release(source.as_ref(), ended.is_none());
        if ended.is_none() {
            self.staff(effects);
            return (true, None);
        }
        (false, self.turn_or_leave(by, effects))
    }

    fn turn_or_leave(&mut self, by: Arrival, effects: &mut Effects<J>) -> Option<ItemTurn<J>> {
        while let Some(id) = self.order.pop() {
            let turn = self.turn_of(id, by, effects);
            if let Some(entry) = self.jobs.get_mut(&id) {
                entry.is_listed = !entry.ring.is_empty();
                if entry.is_listed {
                    self.order.push(id, entry.turns);
                }
            }
            if turn.is_some() {
                self.staff(effects);
                return turn;
            }
        }
        self.at_work -= 1;
        None
    }

    fn turn_of(&mut self, id: JobId, by: Arrival, effects: &mut Effects<J>) -> Option<ItemTurn<J>> {
        if self.jobs.get(&id)?.deadline.has_passed(by.now) {
            self.fail_job(id, Failure::NotStarted, effects);
            return None;
        }
        loop {
            let entry = self.jobs.get_mut(&id)?;
            let source = entry.ring.pop_front()?;
            if let Some(name) = &source {
                if let Some(abandoned) = self.places.saturated(name) {
                    self.fail_lane(id, source.as_ref(), Failure::Saturated { abandoned }, effects);
                    continue;
                }
                if !self.places.try_take(name) {
                    self.park(id, name);
                    continue;
                }
            }
            let entry = self.jobs.get_mut(&id)?;
            let lane = entry.lanes.get_mut(&source)?;
            let index = lane.items.pop_front()?;
            if lane.items.is_empty() {
                entry.lanes.remove(&source);
            } else {
                entry.ring.push_back(source.clone());
            }
            return Some(self.start(id, (index, source), by, effects));
        }
    }

    fn start(
        &mut self,
        id: JobId,
        (index, source): (usize, Option<Name>),
        by: Arrival,
        effects: &mut Effects<J>,
    ) -> ItemTurn<J> {
        let call = self.number();
        let entry = self.jobs.get_mut(&id);
        // Its job was there a moment ago, under the same lock.
        #[expect(clippy::unwrap_used, reason = "see above")]
        let entry = entry.unwrap();
        entry.waiting -= 1;
        entry.turns += 1;
        let (job, deadline) = (entry.handle.clone(), entry.deadline);
        let Arrival { worker, now } = by;
        let expires = now.after(self.limits.item_timeout).min(deadline.tick());
        let running = Running { job: job.clone(), index, started: now, expires, source, worker };
        self.running.insert(call, running);
        self.left_queue(1, effects);
        self.set_alarm(expires, effects);
        ItemTurn { call, job, index, started: now }
    }

    // ===== time =====

    /// Gives up on calls whose time is over and lists items whose time has come; when to look again.
    pub(super) fn tick(&mut self, now: Tick, effects: &mut Effects<J>) -> Tick {
        let late: Vec<CallId> =
            self.running.iter().filter(|(_, running)| now >= running.expires).map(|(call, _)| *call).collect();
        for call in late {
            self.give_up(call, now, effects);
        }
        while let Some((when, _)) = self.later.first_key_value().filter(|(when, _)| when.0 <= now) {
            let when = *when;
            let Some(item) = self.later.remove(&when) else { break };
            let Some(entry) = self.jobs.get_mut(&item.job) else { continue };
            entry.later.remove(&when);
            // Who paces his items may pull the next one.
            effects.woken.push(entry.handle.clone());
            self.add(item.job, item.index, item.source);
        }
        self.staff(effects);
        let expiry = self.running.values().map(|running| running.expires).min();
        let due = self.later.first_key_value().map(|(when, _)| when.0);
        self.alarm_at = expiry.unwrap_or(Tick::MAX).min(due.unwrap_or(Tick::MAX));
        self.alarm_at
    }

    /// The next tick that matters to this board.
    pub(super) fn next_event(&self) -> Tick {
        self.alarm_at
    }

    fn give_up(&mut self, call: CallId, now: Tick, effects: &mut Effects<J>) {
        let Some(running) = self.running.remove(&call) else { return };
        let after = now.since(running.started);
        effects.settled.push((running.job, running.index, Failure::TimedOut { after }));
        // Its thread is no worker of ours any more: it leaves when it comes back.
        self.at_work -= 1;
        effects.given_up.push(running.worker);
        if let Some(source) = running.source {
            self.places.hang(call, source.clone());
            if let Some(abandoned) = self.places.saturated(&source) {
                for id in self.places.parked(&source) {
                    self.fail_lane(id, Some(&source), Failure::Saturated { abandoned }, effects);
                }
            }
        }
    }

    fn set_alarm(&mut self, at: Tick, effects: &mut Effects<J>) {
        if at < self.alarm_at {
            self.alarm_at = at;
            effects.alarm = Some(at);
        }
    }

    // ===== workers =====

    /// Starts a worker if somebody has to come for what is listed and nobody is on his way.
    fn staff(&mut self, effects: &mut Effects<J>) {
        if !self.order.is_empty() && self.coming == 0 && self.at_work < self.limits.workers {
            self.at_work += 1;
            self.coming += 1;
            effects.start += 1;
        }
    }

    /// A worker that was to be started never comes: whether nobody is at work now.
    pub(super) fn never_came(&mut self) -> bool {
        self.coming -= 1;
        self.at_work -= 1;
        self.at_work == 0
    }

    /// Jobs whose items need a worker of the pool.
    pub(super) fn jobs_that_wait(&self) -> Vec<J> {
        let waits = self.jobs.values().filter(|entry| entry.waiting > 0);
        waits.map(|entry| entry.handle.clone()).collect()
    }

    // ===== end =====

    /// Takes no new items; all jobs hear of it.
    pub(super) fn close(&mut self, effects: &mut Effects<J>) {
        self.is_closed = true;
        effects.woken.extend(self.jobs.values().map(|entry| entry.handle.clone()));
    }

    /// Fails everything that waits; how many items.
    pub(super) fn fail_all(&mut self, failure: Failure, effects: &mut Effects<J>) -> usize {
        let before = effects.settled.len();
        let ids: Vec<JobId> = self.jobs.keys().copied().collect();
        for id in ids {
            self.fail_job(id, failure, effects);
        }
        // Nothing is left to come for.
        self.order.clear();
        self.jobs.values_mut().for_each(|entry| entry.is_listed = false);
        effects.settled.len() - before
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    pub(super) fn queued(&self) -> usize {
        self.room.queued()
    }

    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// Calls that ended, late ones included.
    pub(super) fn ended(&self) -> usize {
        self.ended
    }

    // ===== lanes, places, room =====

    fn add(&mut self, id: JobId, index: usize, source: Option<Name>) {
        let Some(entry) = self.jobs.get_mut(&id) else { return };
        let lane = entry.lanes.entry(source.clone()).or_default();
        lane.items.push_back(index);
        if lane.items.len() > 1 {
            return;
        }
        if let Some(name) = source.as_ref().filter(|name| !self.places.is_free(name)) {
            self.park(id, name);
        } else {
            entry.ring.push_back(source);
            self.list(id);
        }
    }

    fn add_later(&mut self, due: Tick, item: Later, effects: &mut Effects<J>) {
        let when = (due, self.number());
        if let Some(entry) = self.jobs.get_mut(&item.job) {
            entry.later.insert(when);
            self.later.insert(when, item);
            self.set_alarm(due, effects);
        }
    }

    /// Puts a job with something to do into the order.
    fn list(&mut self, id: JobId) {
        let Some(entry) = self.jobs.get_mut(&id) else { return };
        if !std::mem::replace(&mut entry.is_listed, true) {
            self.order.push(id, entry.turns);
        }
    }

    fn park(&mut self, id: JobId, source: &Name) {
        let number = self.number();
        let lane = self.jobs.get_mut(&id).and_then(|entry| entry.lanes.get_mut(&Some(source.clone())));
        if let Some(lane) = lane {
            lane.parked = Some(number);
            self.places.park(source, number, id);
        }
    }

    /// Gives a place back and lists who waited for it.
    fn release(&mut self, source: Option<&Name>, was_hung: bool) {
        if let Some(source) = source {
            self.places.release(source, was_hung);
            self.list_parked(source);
        }
    }

    fn list_parked(&mut self, source: &Name) {
        let Some(id) = self.places.next_parked(source) else { return };
        let Some(entry) = self.jobs.get_mut(&id) else { return };
        let key = Some(source.clone());
        if let Some(lane) = entry.lanes.get_mut(&key) {
            lane.parked = None;
            entry.ring.push_back(key);
            self.list(id);
        }
    }

    fn fail_lane(&mut self, id: JobId, source: Option<&Name>, failure: Failure, effects: &mut Effects<J>) {
        let Some(entry) = self.jobs.get_mut(&id) else { return };
        let Some(lane) = entry.lanes.remove(&source.cloned()) else { return };
        entry.waiting -= lane.items.len();
        let handle = entry.handle.clone();
        if let (Some(source), Some(number)) = (source, lane.parked) {
            self.places.unpark(source, number);
        }
        let count = lane.items.len();
        effects.settled.extend(lane.items.into_iter().map(|index| (handle.clone(), index, failure)));
        self.left_queue(count, effects);
    }

    fn left_queue(&mut self, items: usize, effects: &mut Effects<J>) {
        self.room.leave(items);
        self.grant(effects);
    }

    /// Promises free room to who stands first in line, and wakes him.
    fn grant(&mut self, effects: &mut Effects<J>) {
        while let Some(id) = self.room.next_in_line() {
            let Some(entry) = self.jobs.get_mut(&id) else { continue };
            entry.in_line = None;
            entry.has_room = true;
            self.room.promise();
            effects.woken.push(entry.handle.clone());
        }
    }
}
