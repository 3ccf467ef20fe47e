//! What pick and ranking have in common, over anything that may happen.

use std::time::Duration;

use proptest::prelude::*;

use super::booking::{Charge, Wish};
use super::ranking::Query;
use super::tests::World;
use super::{Budget, EndpointSpec, RouterConfig, RouterPolicy};
use crate::clock::Tick;
use crate::outcome::Outcome;

#[derive(Debug, Clone)]
enum Event {
    Pick,
    Begin(usize),
    End(usize, Outcome),
    Rest(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![Just(Outcome::Success), Just(Outcome::Failure), Just(Outcome::Ignored)];
    prop_oneof![
        3 => Just(Event::Pick),
        2 => (0..4_usize).prop_map(Event::Begin),
        4 => (0..64_usize, outcome).prop_map(|(at, outcome)| Event::End(at, outcome)),
        3 => (1..2_000_u64).prop_map(Event::Rest),
        1 => (1..100_u64).prop_map(|seconds| Event::Rest(seconds * 1000)),
    ]
}

fn endpoints() -> Vec<EndpointSpec> {
    vec![
        EndpointSpec::named("free").concurrency(2),
        EndpointSpec::named("paid").price(0.2).local(true),
        EndpointSpec::named("quota").price(0.2).free_quota(5),
        EndpointSpec::named("limited").rate_limit(Some(2.0)),
    ]
}

fn check(config: RouterConfig, events: Vec<Event>) -> Result<(), TestCaseError> {
    let policy = config.policy;
    let mut world = World::new(endpoints(), config);
    let mut open: Vec<(usize, Charge, Tick)> = Vec::new();
    for event in events {
        match event {
            Event::Rest(millis) => world.now = world.now.after(Duration::from_millis(millis)),
            Event::End(at, outcome) if !open.is_empty() => {
                let (index, charge, began) = open.swap_remove(at % open.len());
                world.end(index, charge, outcome, began);
            }
            Event::Begin(index) => {
                open.push((index, world.table.begin(Wish::plain(index), world.now), world.now));
            }
            _ => {}
        }
        // What fades, and who is due for a probe, a pick looks at now and then: so that both see the same.
        world.now = world.now.after(Duration::from_millis(251));
        world.table.refresh(world.now);
        let query = Query { availability: &[], category: 0, arm: 0 };
        let ranked = world.table.rank(query, world.now, &mut fastrand::Rng::with_seed(1));
        let picked = world.table.pick(None, 0, world.now);
        let first = ranked.first().filter(|first| first.exclusion.is_none());
        match (picked, first) {
            (None, None) => {}
            (Some(picked), Some(first)) => {
                let own = ranked.iter().find(|of| of.endpoint.0 == picked.index).unwrap();
                prop_assert!(own.exclusion.is_none(), "{picked:?}: {own:?}");
                prop_assert_eq!(picked.is_last_resort, first.readmitted.is_some());
                prop_assert_eq!(picked.is_probe, first.is_probe, "{:?} {:?}", picked, first);
                if picked.is_probe {
                    prop_assert_eq!(picked.index, first.endpoint.0);
                } else if policy == RouterPolicy::Adaptive && !picked.is_last_resort {
                    // Equals by their errors, of a tenth of each mean at most, may be chosen by chance.
                    let reach = 0.1 * (own.terms.latency + first.terms.latency) + 1e-9;
                    prop_assert!((own.terms.total - first.terms.total).abs() <= reach, "{own:?} {first:?}");
                }
                if let Event::Pick = event {
                    let wish = Wish {
                        is_probe: picked.is_probe,
                        is_last_resort: picked.is_last_resort,
                        ..Wish::plain(picked.index)
                    };
                    let charge = world.table.try_begin(wish, world.now);
                    prop_assert!(charge.is_ok(), "what is picked may be called: {charge:?}");
                    open.push((picked.index, charge.unwrap(), world.now));
                }
            }
            (picked, first) => prop_assert!(false, "{picked:?}, {first:?}"),
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn pick_and_ranking_obey_the_same_rules(
        policy in prop_oneof![
            Just(RouterPolicy::Adaptive), Just(RouterPolicy::SeedScore), Just(RouterPolicy::Fastest),
            Just(RouterPolicy::RoundRobin)
        ],
        fail_closed: bool,
        budget in prop_oneof![Just(None), Just(Some(1.0))],
        events in prop::collection::vec(event(), 0..120),
    ) {
        let budgets = budget.map(|amount| Budget::new(amount, "units", Duration::from_secs(60)));
        let config = RouterConfig::default().policy(policy).fail_closed(fail_closed);
        check(config.budgets(budgets.into_iter().collect()), events)?;
    }

    /// What the lists say after a begun call is what they would say worked out anew.
    #[test]
    fn the_mirror_is_what_it_mirrors(events in prop::collection::vec(event(), 0..120)) {
        let mut world = World::new(endpoints(), RouterConfig::default());
        let mut open: Vec<(usize, Charge, Tick)> = Vec::new();
        for event in events {
            let index = match event {
                Event::Begin(index) => {
                    open.push((index, world.table.begin(Wish::plain(index), world.now), world.now));
                    index
                }
                Event::End(at, outcome) if !open.is_empty() => {
                    let (index, charge, began) = open.swap_remove(at % open.len());
                    world.end(index, charge, outcome, began);
                    index
                }
                Event::Rest(millis) => {
                    world.now = world.now.after(Duration::from_millis(millis % 100));
                    continue;
                }
                _ => continue,
            };
            let mirrored = world.table.views.of(0)[index];
            world.table.update(index, world.now);
            let anew = world.table.views.of(0)[index];
            // What faded since the last look is not mirrored by a begun call.
            prop_assert!((mirrored.cost - anew.cost).abs() <= 0.01 * anew.cost, "{mirrored:?} {anew:?}");
            prop_assert_eq!(mirrored.not_before, anew.not_before);
        }
    }
}
