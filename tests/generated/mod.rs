//! Random networks, for `tests/laws` and `tests/mistakes`.

pub mod choices;
pub mod layers;
mod norms;
mod sequences;
mod windows;
pub mod writer;
