//! Answers that are not clean: who is asked next, what is delivered, what is held against whom.

use feedguard::breaker::BreakerState;
use feedguard::manager::{AnswerQualityConfig, AttemptOutcome, JudgeRows};
use feedguard::{FetchErrorKind, QualityConfig};

use super::host::{BarsHost, MS, Table, config, manager};

/// A halt: three rows without open, high, low and volume, the close carried on.
fn halted() -> Table {
    Table::new(250, |row, cells| {
        if row >= 247 {
            *cells = [0.0, 0.0, 0.0, cells[3], 0.0];
        }
    })
}

#[test]
fn three_halted_symbols_in_a_row_shut_nobody_out() {
    let (manager, host, time, _clock) = manager(config(&["a"]));
    host.set("a", |_, symbol| Ok(if ["100", "101", "102"].contains(&symbol) { halted() } else { Table::clean() }));
    for symbol in 0..300 {
        let fetched = manager.fetch(&symbol.to_string()).unwrap();
        assert_eq!(fetched.rows.len(), 250, "symbol {symbol}");
        time.advance(MS(100));
    }
    let health = manager.health();
    assert_eq!(
        (health.endpoints[0].breaker.state, health.endpoints[0].breaker.times_opened),
        (BreakerState::Closed, 0)
    );
    assert!(health.endpoints[0].router.ejected_for.is_zero());
}

#[test]
fn one_bad_bar_long_ago_makes_no_symbol_unreachable() {
    let (manager, host, _time, _clock) = manager(config(&["a"]));
    host.set("a", |_, _| {
        Ok(Table::new(2_500, |row, cells| {
            if row == 16 {
                cells.swap(1, 2)
            }
        }))
    });
    for symbol in 0..50 {
        let fetched = manager.fetch(&symbol.to_string()).unwrap();
        assert!(fetched.is_flawed(), "served, and marked");
        assert!(fetched.quality().unwrap().quarantine.contains(16));
    }
    assert_eq!(host.calls("a"), 50, "and cached as what it is");
    assert_eq!(manager.health().endpoints[0].breaker.times_opened, 0);
}

#[test]
fn an_answer_of_nothing_is_no_answer() {
    let nothing: [fn() -> Table; 3] = [
        || Table::new(250, |_, cells| *cells = [f64::NAN; 5]),
        || Table::new(0, |_, _| {}),
        || Table::new(250, |_, cells| *cells = [0.0; 5]),
    ];
    for table in nothing {
        let (manager, host, _time, _clock) = manager(config(&["a", "b"]));
        host.set("a", move |_, _| Ok(table()));
        let fetched = manager.fetch(&"x".to_owned()).unwrap();
        assert_eq!((&**fetched.endpoint(), fetched.is_flawed()), ("b", false));
        let outcomes: Vec<AttemptOutcome> = fetched.attempts().iter().map(|attempt| attempt.outcome).collect();
        assert_eq!(outcomes, [AttemptOutcome::Unusable, AttemptOutcome::Ok]);
    }
}

#[test]
fn when_all_answers_are_unusable_the_error_carries_report_and_response() {
    let (manager, host, _time, _clock) = manager(config(&["a", "b"]));
    for name in ["a", "b"] {
        host.set(name, |_, _| Ok(Table::new(10, |_, cells| cells.swap(1, 2))));
    }
    let error = manager.fetch(&"x".to_owned()).unwrap_err();
    let FetchErrorKind::BadData { report, response, .. } = error.kind() else { panic!("{error}") };
    assert_eq!((report.quarantine.len(), response.rows.len()), (10, 10));
    assert!(error.to_string().contains("high_below_low 10"), "{error}");
    assert_eq!(manager.health().endpoints[0].breaker.consecutive_failures, 0, "bad data is no outage");
    assert_eq!((host.calls("a"), host.calls("b")), (1, 1), "data that is bad stays bad: no second round");
}

#[test]
fn of_two_flawed_answers_the_better_one_is_delivered_marked() {
    let flawed = |rows: usize| {
        move |row: usize, cells: &mut [f64; 5]| {
            if row < rows {
                cells.swap(1, 2)
            }
        }
    };
    for (of_a, of_b, better) in [(5, 1, "b"), (1, 5, "a")] {
        let (manager, host, _time, _clock) = manager(config(&["a", "b", "c"]));
        host.set("a", move |_, _| Ok(Table::new(250, flawed(of_a))));
        host.set("b", move |_, _| Ok(Table::new(250, flawed(of_b))));
        let fetched = manager.fetch(&"x".to_owned()).unwrap();
        assert_eq!((&**fetched.endpoint(), fetched.is_flawed()), (better, true));
        assert_eq!(host.calls("c"), 0, "one second opinion is the default");
    }
}

#[test]
fn a_flawed_answer_is_better_than_none() {
    let (manager, host, _time, _clock) = manager(config(&["a", "b"]));
    host.set("a", |_, _| {
        Ok(Table::new(250, |row, cells| {
            if row == 3 {
                cells.swap(1, 2)
            }
        }))
    });
    host.set("b", |_, _| Err(std::io::Error::other("down")));
    let fetched = manager.fetch(&"x".to_owned()).unwrap();
    assert_eq!((&**fetched.endpoint(), fetched.is_flawed()), ("a", true));
}

#[test]
fn warnings_and_score_of_a_good_answer_are_told() {
    let (manager, host, _time, _clock) = manager(config(&["a"]));
    // A jump that nobody undoes: a warning.
    host.set("a", |_, _| {
        Ok(Table::new(250, |row, cells| {
            if row >= 200 {
                cells[..4].iter_mut().for_each(|cell| *cell *= 1.37);
            }
        }))
    });
    let fetched = manager.fetch(&"x".to_owned()).unwrap();
    let report = fetched.quality().unwrap();
    assert!(!fetched.is_flawed() && report.valid);
    assert!(report.score < 100.0 && !report.findings.is_empty(), "{report}");
    let cached = manager.fetch(&"x".to_owned()).unwrap();
    assert_eq!(cached.quality().unwrap(), report, "hits have it too");
}

#[test]
fn the_host_says_which_rows_count() {
    let last = AnswerQualityConfig::default().judge_rows(JudgeRows::Last(20));
    let (manager, host, _time, _clock) = manager(config(&["a", "b"]).quality(last));
    host.set("a", |_, _| {
        Ok(Table::new(250, |row, cells| {
            if row < 100 {
                cells.swap(1, 2)
            }
        }))
    });
    let fetched = manager.fetch(&"x".to_owned()).unwrap();
    assert_eq!((&**fetched.endpoint(), fetched.is_flawed()), ("a", false));
    assert_eq!(fetched.quality().unwrap().quarantine.len(), 100, "the report is whole");
}

#[test]
fn flawed_data_moves_requests_elsewhere_by_distinct_requests() {
    let (manager, host, _time, _clock) = manager(config(&["a", "b"]));
    host.set("a", |_, _| Ok(Table::new(250, |_, cells| cells.swap(1, 2))));
    let quality = |manager: &feedguard::DataSourceManager<super::host::BarsHost>| {
        let decision = manager.explain(&"x".to_owned());
        let of_a = decision.explain().iter().find(|candidate| decision.name(candidate.endpoint) == "a").unwrap();
        of_a.terms.quality
    };
    for _ in 0..30 {
        manager.fetch(&"one symbol".to_owned()).unwrap();
        manager.invalidate(&"one symbol".to_owned());
    }
    let after_one = quality(&manager);
    for symbol in 0..30 {
        manager.fetch(&symbol.to_string()).unwrap();
    }
    assert!(after_one > 0.0 && quality(&manager) > 5.0 * after_one, "{after_one} {}", quality(&manager));
}

#[test]
fn a_validator_switched_off_says_yes() {
    let (manager, host, _time, _clock) = manager(config(&["a"]).quality(QualityConfig::off()));
    host.set("a", |_, _| Ok(Table::new(250, |_, cells| *cells = [f64::NAN; 5])));
    let fetched = manager.fetch(&"x".to_owned()).unwrap();
    assert!(fetched.quality().is_none() && !fetched.is_flawed());
}

fn one_bad_row() -> Table {
    Table::new(250, |row, cells| {
        if row == 3 {
            cells.swap(1, 2)
        }
    })
}

#[test]
fn a_second_opinion_counts_whatever_it_says() {
    for refusal in ["down", "panic", "empty"] {
        let (manager, host, _time, _clock) = manager(config(&["a", "b", "c"]));
        host.set("a", |_, _| Ok(one_bad_row()));
        host.set("b", move |_, _| match refusal {
            "down" => Err(std::io::Error::other("down")),
            "panic" => panic!("scripted"),
            _ => Ok(Table::default()),
        });
        let fetched = manager.fetch(&"x".to_owned()).unwrap();
        assert_eq!((&**fetched.endpoint(), fetched.is_flawed(), host.calls("c")), ("a", true, 0), "{refusal}");
    }
}

#[test]
fn a_flawed_answer_in_hand_is_not_given_up_for_nothing() {
    use feedguard::manager::Call;
    use feedguard::quality::Series;
    use feedguard::{DataSourceManager, Source, Verdict};
    /// Endpoint `b` says what the test says.
    struct Second(BarsHost, Verdict);
    impl Source for Second {
        type Request = String;
        type Response = Table;
        type Error = std::io::Error;
        fn call(&self, call: &Call<'_>, request: &String) -> Result<Table, std::io::Error> {
            self.0.call(call, request)
        }
        fn judge(&self, _: &String, result: Result<&Table, &std::io::Error>) -> Verdict {
            if result.is_ok() { Verdict::Good } else { self.1 }
        }
        fn series<'a>(&'a self, request: &'a String, table: &'a Table) -> Option<Series<'a>> {
            self.0.series(request, table)
        }
    }
    for verdict in [Verdict::Ignore, Verdict::Missing, Verdict::NotHere] {
        let host = BarsHost::default();
        host.set("a", |_, _| Ok(one_bad_row()));
        host.set("b", |_, _| Err(std::io::Error::other("401")));
        let manager = DataSourceManager::new("bars", config(&["a", "b"]), Second(host, verdict)).unwrap();
        let fetched = manager.fetch(&"x".to_owned()).unwrap();
        assert_eq!((&**fetched.endpoint(), fetched.is_flawed()), ("a", true), "{verdict:?}");
    }
}
