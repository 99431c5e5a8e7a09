//! Fuzzes the reader of a graph's statements.

#![no_main]
#![allow(dead_code)]

#[path = "../../tests/fuzz/targets.rs"]
mod targets;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|statements: &[u8]| targets::graph(statements));
