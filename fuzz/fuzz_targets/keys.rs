//! Fuzzes the program with keys, clicks, screen sizes and time. The network has four samples and gradient descent, so all passes and panes are reached.

#![no_main]
#![allow(dead_code)]

#[path = "../../tests/fuzz/targets.rs"]
mod targets;

use std::sync::{Arc, LazyLock};

use gradstep::app::Document;
use gradstep::scenario::{self, Limits, Source};
use libfuzzer_sys::fuzz_target;

static DOCUMENT: LazyLock<Arc<Document>> = LazyLock::new(|| {
    let text = include_str!("../../scenarios/xor.toml").to_owned();
    let source = Source { path_shown: "xor".to_owned(), name: "xor".to_owned(), text };
    Arc::new(Document::new(scenario::read(source, Limits::default()).expect("a bundled scenario")))
});

fuzz_target!(|bytes: &[u8]| targets::keys(&DOCUMENT, bytes));
