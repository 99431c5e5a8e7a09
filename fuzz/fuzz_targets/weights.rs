//! Fuzzes the readers of `.npy`, `.npz`, `.safetensors` and `.pt` files.

#![no_main]
#![allow(dead_code)]

#[path = "../../tests/fuzz/targets.rs"]
mod targets;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in ["fuzz.npy", "fuzz.npz", "fuzz.safetensors", "fuzz.pt"] {
        targets::weights(name, bytes);
    }
});
