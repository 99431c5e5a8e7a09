//! Graphs of tensors: values and gradients agree with PyTorch, which evaluates the same text; the steps add up to the tensors; and faults have clear messages.

mod closed_forms;
mod docs;
mod expectations;
mod faults;
mod indices;
mod known;
mod laws;
mod limits;
mod missing;
mod numbers;
mod numpy;
mod pytorch;
mod words;
