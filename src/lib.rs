//! gradstep: a debugger for backpropagation in the terminal.
//!
//! Each module has a floor, from numbers and tensors on floor 0 to the commands on floor 9. A module imports only from its own floor and from lower floors.

// floor 0
pub mod elementary;
pub mod glyph;
pub mod interrupt;
pub mod memory_budget;
pub mod number;
pub mod scratch;
pub mod shuffle;
pub mod splitmix;
pub mod sums;
pub mod tally;
pub mod tensor;
pub mod text;
pub mod threads;
pub mod weights;

// floor 1
pub mod expr;
pub mod python;
pub mod step;
mod words;

// floor 2
pub mod op;

// floor 3
pub mod network;

// floor 4
pub mod graph;
pub mod scenario;
pub mod trace;

// floor 5
pub mod diff;
pub mod gradcheck;
pub mod mistakes;
pub mod scene;

// floor 6
pub mod app;

// floor 7
pub mod keys;

// floor 8
pub mod plain;
pub mod ui;

// floor 9
pub mod command;
pub mod files;
pub mod output;
pub mod session;
pub mod terminal;
