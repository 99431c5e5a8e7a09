//! The table of all functions that the text of a graph may call.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::graph::call::FunctionRow;

use super::{choices, create, elementwise, join, lookup, losses, minmax, norms, products, reduce, repeat, shape, unsupported, windows};

/// The tables of the files of this folder.
const TABLES: &[&[FunctionRow]] = &[
    elementwise::ROWS,
    reduce::ROWS,
    minmax::ROWS,
    shape::ROWS,
    repeat::ROWS,
    join::ROWS,
    lookup::ROWS,
    choices::ROWS,
    create::ROWS,
    products::ROWS,
    losses::ROWS,
    norms::ROWS,
    windows::ROWS,
];

/// All rows by name. If several rows have the same name, the first one is used.
static BY_NAME: LazyLock<HashMap<&'static str, &'static FunctionRow>> = LazyLock::new(|| {
    let mut rows = HashMap::new();
    for row in rows_of_tables() {
        for name in row.names {
            rows.entry(*name).or_insert(row);
        }
    }
    rows
});

fn rows_of_tables() -> impl Iterator<Item = &'static FunctionRow> {
    TABLES.iter().flat_map(|rows| rows.iter())
}

/// Finds a function by its name without a module.
#[must_use]
pub fn find(name: &str) -> Option<&'static FunctionRow> {
    BY_NAME.get(name).copied()
}

/// Returns the names of all functions.
pub fn names() -> impl Iterator<Item = &'static str> {
    rows_of_tables().flat_map(|row| row.names.iter().copied())
}

/// Returns the help for a function that graphs do not support; `None` for other names.
#[must_use]
pub fn help(name: &str) -> Option<&'static str> {
    unsupported::help(name)
}
