//! gradstep: a debugger for backpropagation in the terminal.

pub mod glyph;
pub mod tensor;

pub mod step;

pub mod op;

pub mod network;

pub mod trace;
