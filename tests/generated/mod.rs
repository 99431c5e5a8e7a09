//! Random networks, for `tests/laws` and `tests/mistakes`.

pub mod layers;
mod norms;
mod sequences;
pub mod choices;
mod windows;
pub mod writer;
