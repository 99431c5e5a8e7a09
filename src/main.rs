//! The program `gradstep`.

fn main() {}
