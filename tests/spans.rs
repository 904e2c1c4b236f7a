//! The spans that a subscriber sees.

use crate::support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use support::nets::{self, devices};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use wgrad::prelude::*;

/// Keeps the names of the spans in the order in which they are opened.
#[derive(Default)]
struct Names {
    seen: Mutex<Vec<&'static str>>,
    next: AtomicU64,
}

impl Subscriber for &'static Names {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "wgrad"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.seen.lock().unwrap().push(span.metadata().name());
        Id::from_u64(self.next.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_run_opens_spans_for_what_takes_time() {
    let net = nets::spiral();
    let [cpu, gpu] = devices().map(|device| {
        let names: &'static Names = Box::leak(Box::default());
        tracing::subscriber::with_default(names, || {
            let mut trainer = net.on(&device);
            trainer.fit(&net.data, Fit::epochs(2).validate(&net.data)).unwrap();
        });
        names.seen.lock().unwrap().clone()
    });
    let own = |names: &[&'static str]| -> Vec<&'static str> {
        let train = ["fit", "epochs", "validation"];
        names.iter().copied().filter(|name| train.contains(name)).collect()
    };
    let wanted = ["fit", "epochs", "validation", "epochs", "validation"];
    assert_eq!((own(&cpu), own(&gpu)), (wanted.to_vec(), wanted.to_vec()));
    assert!(cpu.contains(&"steps") && !cpu.contains(&"submit"), "{cpu:?}");
    assert!(gpu.contains(&"submit") && gpu.contains(&"read back"), "{gpu:?}");
}
