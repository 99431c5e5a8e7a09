//! Finds out the concrete type of a rule. This serves the code that compares the structure of a graph with a known structure.

use std::any::Any;
use std::sync::Arc;

use super::rule::Rule;

/// Returns the rule as a reference to its concrete type T; `None` if the rule has another type.
#[must_use]
pub fn downcast<T: 'static>(rule: &Arc<dyn Rule>) -> Option<&T> {
    (rule.as_ref() as &dyn Any).downcast_ref()
}
