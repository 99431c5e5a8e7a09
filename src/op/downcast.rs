//! The type of a rule, for code that compares the structure of a graph with a known one.

use std::any::Any;
use std::sync::Arc;

use super::rule::Rule;

/// Returns a rule as one of a type; `None` for a rule of another type.
#[must_use]
pub fn downcast<T: 'static>(rule: &Arc<dyn Rule>) -> Option<&T> {
    (rule.as_ref() as &dyn Any).downcast_ref()
}
