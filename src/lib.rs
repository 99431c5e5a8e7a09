//! gradstep: a debugger for backpropagation in the terminal.
//!
//! The modules are floors; an import never goes upwards.

// floor 0
pub mod glyph;
pub mod number;
pub mod room;
pub mod scratch;
pub mod sums;
pub mod tally;
pub mod tensor;
pub mod text;
pub mod threads;
pub mod weights;

// floor 1
pub mod expr;
pub mod step;
mod words;

// floor 2
pub mod op;

// floor 3
pub mod network;

// floor 4
pub mod scenario;
pub mod trace;

// floor 5
pub mod gradcheck;
pub mod scene;

// floor 6
pub mod app;

// floor 7
pub mod keys;

// floor 8
pub mod ui;

// floor 9
pub mod command;
pub mod files;
pub mod output;
pub mod session;
pub mod terminal;
