//! Fuzzes the readers of a user's gradients: JSON and files of tensors.

#![no_main]
#![allow(dead_code)]

#[path = "../../tests/fuzz/targets.rs"]
mod targets;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in ["fuzz.json", "fuzz.npy", "fuzz.npz", "fuzz.safetensors", "fuzz.pt"] {
        targets::gradients(name, bytes);
    }
});
