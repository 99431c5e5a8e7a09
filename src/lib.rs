//! gradstep: a debugger for backpropagation in the terminal.
