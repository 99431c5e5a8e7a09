//! The functions of a graph: a table of rows, and for each row the operations of a call.

pub mod choices;
pub mod create;
pub mod elementwise;
pub mod join;
pub mod lookup;
pub mod losses;
pub mod minmax;
pub mod norms;
pub mod products;
pub mod reduce;
pub mod registry;
pub mod repeat;
pub mod shape;
mod unsupported;
pub mod windows;
