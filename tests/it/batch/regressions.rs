//! Faults that a review found, each by the promise it broke.

use feedguard::batch::CallScope;
use feedguard::{BatchConfig, BatchProcessor, Deadline};

#[test]
fn a_panicking_source_of_an_item_takes_no_room() {
    let batch = BatchProcessor::new("batch", BatchConfig::default().max_queued(1)).unwrap();
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        batch.job(|_: &u32, _: &CallScope| Ok::<_, ()>(())).source(|_| panic!("host")).run([1])
    }));
    assert_eq!(batch.queued(), 0);
}
#[test]
fn any_name_makes_threads() {
    let batch = BatchProcessor::builder("a\0b").build().unwrap();
    let r = batch.run(vec![1, 2, 3], Deadline::never(), |n, _| Ok::<_, ()>(*n));
    assert_eq!(r.succeeded(), 3);
}
