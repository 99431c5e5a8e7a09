//! Fuzzes the reader of scenario files.

#![no_main]
#![allow(dead_code)]

#[path = "../../tests/fuzz/targets.rs"]
mod targets;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;

static NO_FILES: LazyLock<Arc<targets::FilesInMemory>> = LazyLock::new(|| Arc::new(targets::FilesInMemory(BTreeMap::new())));

fuzz_target!(|text: &[u8]| targets::scenario(text, &NO_FILES));
