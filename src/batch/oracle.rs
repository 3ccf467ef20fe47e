//! The board against a plain list: over anything that jobs, workers and time may do, no item is lost, none
//! ends twice, places and room hold, and what may start finds a worker.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use proptest::prelude::*;

use super::board::Board;
use super::orders::{Arrival, CallId, Effects, Failure, JobId, Limits, Offer};
use crate::clock::{Deadline, Tick};
use crate::name::Name;
use crate::pool::WorkerJob;

const WORKERS: usize = 3;
const PER_SOURCE: usize = 2;
const ROOM: usize = 6;
const SOURCES: [Option<&str>; 3] = [None, Some("a"), Some("b")];

#[derive(Debug, Clone, Copy)]
enum Event {
    Offer {
        job: usize,
        source: usize,
        due: Option<u64>,
    },
    /// A worker that was sent for comes, or never comes.
    Arrive,
    NeverCome,
    /// A call ends, a hung one too.
    End(usize),
    Rest(u64),
    Leave(usize),
    Fail(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let due = prop_oneof![3 => Just(None), 1 => (0..3_000_u64).prop_map(Some)];
    let offer = (0..3_usize, 0..3_usize, due).prop_map(|(job, source, due)| Event::Offer { job, source, due });
    prop_oneof![
        8 => offer,
        5 => Just(Event::Arrive),
        1 => Just(Event::NeverCome),
        5 => (0..16_usize).prop_map(Event::End),
        3 => (0..700_u64).prop_map(Event::Rest),
        1 => (0..3_usize).prop_map(Event::Leave),
        1 => (0..3_usize).prop_map(Event::Fail),
    ]
}

/// What the list knows of an item that waits.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    job: JobId,
    source: usize,
    /// Its time has not come, as far as the board has looked.
    due: Option<Tick>,
}

struct World {
    board: Board<JobId>,
    now: Tick,
    jobs: [JobId; 3],
    waiting: BTreeMap<usize, Waiting>,
    /// Calls under way, and those that were given up on.
    running: Vec<(CallId, usize, usize)>,
    hung: Vec<(CallId, usize, usize)>,
    coming: usize,
    /// The system gave no thread the last time: who is at work goes on alone.
    is_refused: bool,
    items: usize,
    numbers: u64,
}

impl World {
    fn new() -> Self {
        let limits = Limits {
            workers: WORKERS,
            item_timeout: Duration::from_secs(1),
            per_source: PER_SOURCE,
            exceptions: HashMap::new(),
            room: ROOM,
        };
        let mut board = Board::new(limits);
        let jobs = [1, 2, 3].map(|handle| board.join(handle, Deadline::never(), Tick::default()));
        let waiting = BTreeMap::new();
        let now = Tick(1 << 50);
        Self {
            board,
            now,
            jobs,
            waiting,
            running: vec![],
            hung: vec![],
            coming: 0,
            is_refused: false,
            items: 0,
            numbers: 0,
        }
    }

    fn arrival(&mut self) -> Arrival {
        self.numbers += 1;
        Arrival { worker: WorkerJob::numbered(self.numbers), now: self.now }
    }

    fn taken(&self, source: usize) -> usize {
        self.running.iter().chain(&self.hung).filter(|call| call.2 == source).count()
    }

    fn turn(&mut self, turn: Option<super::orders::ItemTurn<JobId>>) -> Result<(), TestCaseError> {
        let Some(turn) = turn else { return Ok(()) };
        let waiting = self.waiting.remove(&turn.index);
        let Some(Waiting { source, due, .. }) = waiting else {
            return Err(TestCaseError::fail(format!("item {} did not wait", turn.index)));
        };
        prop_assert!(due.is_none(), "item {} before its time", turn.index);
        prop_assert!(source == 0 || self.taken(source) < PER_SOURCE, "a place too many at {source}");
        self.running.push((turn.call, turn.index, source));
        prop_assert!(self.running.len() <= WORKERS, "a worker too many");
        Ok(())
    }

    fn follow(&mut self, effects: Effects<JobId>) -> Result<(), TestCaseError> {
        self.coming += effects.start;
        self.is_refused &= effects.start == 0;
        for (_, index, failure) in effects.settled {
            if let Failure::TimedOut { .. } = failure {
                let at = self.running.iter().position(|call| call.1 == index);
                prop_assert!(at.is_some(), "item {index} was not running");
                self.hung.extend(at.map(|at| self.running.swap_remove(at)));
            } else {
                prop_assert!(self.waiting.remove(&index).is_some(), "item {index} did not wait");
            }
        }
        Ok(())
    }

    fn apply(&mut self, event: Event) -> Result<(), TestCaseError> {
        let mut effects = Effects::default();
        match event {
            Event::Offer { job, source, due } => {
                let (id, index) = (self.jobs[job], self.items);
                let due = due.map(|millis| self.now.after(Duration::from_millis(millis)));
                let name = SOURCES[source].map(Name::from);
                let queued = self.board.queued();
                match self.board.offer(id, (index, name), due, false, &mut effects) {
                    Offer::Taken => {
                        self.items += 1;
                        self.waiting.insert(index, Waiting { job: id, source, due });
                    }
                    Offer::Full => prop_assert!(queued > 0, "there is room"),
                    Offer::Failed(Failure::Saturated { .. }) => {
                        let hung = self.hung.iter().filter(|call| call.2 == source).count();
                        prop_assert_eq!(hung, PER_SOURCE);
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            Event::Arrive if self.coming > 0 => {
                self.coming -= 1;
                let arrival = self.arrival();
                let turn = self.board.arrive(arrival, &mut effects);
                self.turn(turn)?;
            }
            // What the engine does then: jobs whose items wait run them themselves.
            Event::NeverCome if self.coming > 0 => {
                self.coming -= 1;
                self.is_refused = true;
                if self.board.never_came() {
                    for id in self.jobs {
                        let taken = self.board.take_waiting(id, &mut effects);
                        self.waiting.retain(|index, _| !taken.contains(index));
                    }
                    prop_assert!(self.waiting.is_empty());
                }
            }
            Event::End(at) if !self.running.is_empty() || !self.hung.is_empty() => {
                let at = at % (self.running.len() + self.hung.len());
                let is_late = at >= self.running.len();
                let call =
                    if is_late { self.hung.swap_remove(at - self.running.len()) } else { self.running.swap_remove(at) };
                let arrival = self.arrival();
                let (late, turn) = self.board.end(call.0, arrival, &mut effects);
                prop_assert_eq!(late, is_late);
                self.turn(turn)?;
            }
            Event::Rest(millis) => {
                self.now = self.now.after(Duration::from_millis(millis));
                let _next = self.board.tick(self.now, &mut effects);
                let now = self.now;
                self.waiting.values_mut().for_each(|item| item.due = item.due.filter(|due| *due > now));
            }
            Event::Leave(job) => {
                let id = self.jobs[job];
                self.board.leave(id, &mut effects);
                self.waiting.retain(|_, item| item.job != id);
                self.jobs[job] = self.board.join(id, Deadline::never(), Tick::default());
            }
            Event::Fail(job) => self.board.fail_waiting(self.jobs[job], Failure::Cancelled, &mut effects),
            _ => {}
        }
        self.follow(effects)?;
        self.check()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.board.queued(), self.waiting.len());
        prop_assert!(self.waiting.len() <= ROOM);
        prop_assert_eq!(self.board.running(), self.running.len());
        let may_start =
            |item: &Waiting| item.due.is_none() && (item.source == 0 || self.taken(item.source) < PER_SOURCE);
        let is_staffed = self.coming > 0 || self.running.len() >= if self.is_refused { 1 } else { WORKERS };
        prop_assert!(is_staffed || !self.waiting.values().any(may_start), "{:?} finds no worker", self.waiting);
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_board_keeps_what_a_list_keeps(events in prop::collection::vec(event(), 0..200)) {
        let mut world = World::new();
        for event in events {
            world.apply(event)?;
        }
        // Everything ends once time and workers do their part.
        for _ in 0..200 {
            world.apply(Event::Rest(700))?;
            world.apply(Event::Arrive)?;
            world.apply(Event::End(0))?;
        }
        prop_assert!(world.waiting.is_empty() && world.running.is_empty() && world.hung.is_empty());
    }
}
