//! Operations that several nodes of a graph share. A graph of 50,000 nodes has few different operations, such as `a · b` of two inputs. If each node had
//! rules of its own, they would be scattered in memory, and every visit of all nodes would wait for memory.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Elementwise, ElementwiseOperand};
use crate::op::mismatch::Mismatch;
use crate::op::operator::Operator;
use crate::op::rule::{Function, Rule};

/// The number of operations in [`RecentOperations`].
const RECENT: usize = 8;

/// An operation with its rules, which are made once.
#[derive(Debug)]
pub struct SharedElementwise {
    operation: Elementwise,
    forward: Arc<dyn Rule>,
    /// The rule of the derivative by each input, if it has one.
    backward: SmallVec<[Option<Arc<dyn Rule>>; 2]>,
}

impl SharedElementwise {
    fn new(operation: Elementwise) -> Self {
        let slots = operation.operands.iter().filter_map(|operand| match operand {
            ElementwiseOperand::Input(slot) => Some(*slot),
            ElementwiseOperand::Constant(_) => None,
        });
        let backward = (0..slots.max().map_or(0, |last| last + 1)).map(|slot| operation.backward(slot)).collect();
        Self { forward: operation.forward(), backward, operation }
    }
}

impl Function for SharedElementwise {
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        self.operation.shape(inputs)
    }

    fn forward(&self) -> Arc<dyn Rule> {
        Arc::clone(&self.forward)
    }

    fn backward(&self, slot: usize) -> Option<Arc<dyn Rule>> {
        self.backward[slot].clone()
    }
}

/// The operations that were made last.
#[derive(Debug, Default)]
pub struct RecentOperations {
    operations: Vec<Arc<SharedElementwise>>,
    /// The index of the oldest operation, which the next new one replaces.
    oldest: usize,
}

impl RecentOperations {
    /// Returns an operation that is the same as this one: a recent one if there is any.
    pub fn shared(&mut self, operation: Elementwise) -> Arc<SharedElementwise> {
        if let Some(recent) = self.operations.iter().find(|recent| is_same(&recent.operation, &operation)) {
            return Arc::clone(recent);
        }
        let shared = Arc::new(SharedElementwise::new(operation));
        if self.operations.len() < RECENT {
            self.operations.push(Arc::clone(&shared));
        } else {
            self.operations[self.oldest] = Arc::clone(&shared);
            self.oldest = (self.oldest + 1) % RECENT;
        }
        shared
    }
}

/// Returns whether two operations have the same rules. Operations with broadcasts count as different.
fn is_same(one: &Elementwise, other: &Elementwise) -> bool {
    let operators = match (one.operator, other.operator) {
        (Operator::Call(one), Operator::Call(other)) => std::ptr::eq(one, other),
        (one, other) => one == other,
    };
    operators
        && one.equations.is_none()
        && other.equations.is_none()
        && one.broadcast.is_none()
        && other.broadcast.is_none()
        && one.operands.len() == other.operands.len()
        && one.operands.iter().zip(&other.operands).all(|pair| match pair {
            // 0 and −0 are different constants
            (ElementwiseOperand::Constant(one), ElementwiseOperand::Constant(other)) => one.to_bits() == other.to_bits(),
            (one, other) => one == other,
        })
}

#[cfg(test)]
mod tests {
    use ElementwiseOperand::{Constant, Input};

    use super::*;

    #[test]
    fn equal_operations_are_shared_and_others_are_not() {
        let mut recent = RecentOperations::default();
        let mut shared = |operator, operands: &[ElementwiseOperand]| recent.shared(Elementwise::new(operator, operands));
        let product = shared(Operator::Mul, &[Input(0), Input(1)]);
        let zero = shared(Operator::Mul, &[Input(0), Constant(0.0)]);
        assert!(Arc::ptr_eq(&product, &shared(Operator::Mul, &[Input(0), Input(1)])));
        assert!(Arc::ptr_eq(&product.forward(), &shared(Operator::Mul, &[Input(0), Input(1)]).forward()));
        for other in [
            shared(Operator::Add, &[Input(0), Input(1)]),
            shared(Operator::Mul, &[Input(0), Input(0)]),
            shared(Operator::Mul, &[Constant(0.0), Input(0)]),
        ] {
            assert!(!Arc::ptr_eq(&product, &other) && !Arc::ptr_eq(&zero, &other));
        }
        assert!(!Arc::ptr_eq(&zero, &shared(Operator::Mul, &[Input(0), Constant(-0.0)])));
        // more operations than are kept
        for n in 0..3 * RECENT {
            #[allow(clippy::cast_precision_loss)] // a small number
            let operands = [Input(0), Constant(n as f64 + 0.5)];
            assert!(Arc::ptr_eq(&shared(Operator::Add, &operands), &shared(Operator::Add, &operands)));
        }
        assert!(!Arc::ptr_eq(&product, &shared(Operator::Mul, &[Input(0), Input(1)])));
    }
}
