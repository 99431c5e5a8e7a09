//! Evaluates expressions to shapes.

use std::rc::Rc;

use compact_str::CompactString;

use super::arguments::ImpliedArguments;
use super::functions;
use super::inference::{Implied, Inference, Likely, MissingName, Usage};
use super::shapes::{Shape, Size};
use crate::graph::attribute;
use crate::graph::expression::is_numpy;
use crate::graph::functions::registry;
use crate::python::tree::{Argument, BinaryOperator, ExprKind, Link, PythonExpr, UnaryOperator};

impl Inference {
    /// Evaluates an expression.
    pub fn evaluate(&mut self, expr: &PythonExpr) -> Implied {
        match &expr.kind {
            ExprKind::Integer(n) => Implied::Integer(*n),
            ExprKind::Float(_) => Implied::Number,
            ExprKind::Text(text) => Implied::Text(text.clone()),
            ExprKind::Bool(flag) => Implied::Integer(i64::from(*flag)),
            ExprKind::None => Implied::Nothing,
            ExprKind::Ellipsis => Implied::Ellipsis,
            ExprKind::Name(name) => self.name(name),
            ExprKind::Attribute(base, word) => self.attribute(base, &word.text),
            ExprKind::Call(function, arguments) => self.call(function, arguments),
            ExprKind::Index(base, items) => {
                let base = self.evaluate(base);
                let items: Vec<Implied> = items.iter().map(|item| self.index_item(item)).collect();
                self.index(&base, &items)
            }
            ExprKind::Slice(_) => Implied::Unknown,
            ExprKind::Unary(operator, operand) => match (operator, self.evaluate(operand)) {
                (UnaryOperator::Minus, Implied::Integer(n)) => n.checked_neg().map_or(Implied::Number, Implied::Integer),
                (UnaryOperator::Minus, Implied::Size(_)) => Implied::Number,
                (_, value) => value,
            },
            ExprKind::Chain(first, links) => self.chain(first, links),
            ExprKind::Power(base, exponent) => {
                let both = [self.evaluate(base), self.evaluate(exponent)];
                self.broadcast(&both, Likely::Any)
            }
            ExprKind::Compare(_, both) => {
                let both = [self.evaluate(&both[0]), self.evaluate(&both[1])];
                self.broadcast(&both, Likely::Any)
            }
            ExprKind::Tuple(items) | ExprKind::List(items) => {
                Implied::Items(Rc::new(items.iter().map(|item| self.evaluate(item)).collect()))
            }
        }
    }

    fn name(&mut self, name: &CompactString) -> Implied {
        if let Some(value) = self.names.get(name) {
            return value.clone();
        }
        if attribute::constant(name).is_some() {
            return if name == "newaxis" { Implied::Nothing } else { Implied::Number };
        }
        match self.missing.iter().find(|missing| missing.name == *name) {
            Some(MissingName { usage: Usage::Size(size), .. }) => Implied::Size(*size),
            Some(missing) => Implied::Tensor(missing.shape),
            None => Implied::Unknown,
        }
    }

    /// Returns whether an expression is the name of a module or a submodule.
    fn is_module(&self, expr: &PythonExpr) -> bool {
        match &expr.kind {
            ExprKind::Name(name) => attribute::MODULES.contains(&name.as_str()) && !self.names.contains_key(name),
            ExprKind::Attribute(base, word) => attribute::SUBMODULES.contains(&word.text.as_str()) && self.is_module(base),
            _ => false,
        }
    }

    fn attribute(&mut self, base: &PythonExpr, word: &CompactString) -> Implied {
        if self.is_module(base) {
            return if word == "newaxis" { Implied::Nothing } else { Implied::Number };
        }
        if matches!(&base.kind, ExprKind::Name(name) if name == "self") {
            return self.name(word);
        }
        let value = self.evaluate(base);
        match (word.as_str(), &value) {
            ("values" | "indices", Implied::Pair(shape)) => Implied::Tensor(*shape),
            ("real" | "data", _) => value,
            ("shape", _) => self.sizes_of(&value),
            ("T", _) => functions::reverse(self, &ImpliedArguments { values: vec![Some(value)], ..ImpliedArguments::default() }),
            ("mT", _) => {
                let shape = self.any_shape(&value);
                let Some(mut sizes) = self.shapes.sizes(shape).filter(|sizes| sizes.len() > 1) else { return Implied::Unknown };
                let last = sizes.len() - 1;
                sizes.swap(last - 1, last);
                Implied::Tensor(self.shapes.of(sizes))
            }
            ("ndim" | "size", _) => Implied::Number,
            _ => Implied::Unknown,
        }
    }

    /// Returns the value of `x.shape`.
    fn sizes_of(&mut self, value: &Implied) -> Implied {
        let shape = self.any_shape(value);
        let sizes = self.shapes.sizes(shape);
        sizes.map_or(Implied::Unknown, |sizes| Implied::Items(Rc::new(sizes.into_iter().map(Implied::Size).collect())))
    }

    /// Applies operators of the same precedence from left to right: `a + b - c`.
    fn chain(&mut self, first: &PythonExpr, links: &[Link]) -> Implied {
        let mut so_far = self.evaluate(first);
        for (n, link) in links.iter().enumerate() {
            self.assume_transposed(&so_far, link);
            let right = self.evaluate(&link.right);
            so_far = match link.operator {
                BinaryOperator::MatMul => self.matmul(&so_far, &right),
                BinaryOperator::Add => {
                    // x @ W + b, or gamma * x + beta: b, gamma and beta have a number for each entry of the last axis
                    let mut operands = std::iter::once(first).chain(links[..=n].iter().map(|link| &link.right));
                    let is_name = |expr: &PythonExpr| bare_name(expr).is_some();
                    let is_affine = (is_name(&link.right) || is_name(first)) && operands.any(|operand| self.is_product(operand));
                    let sum = self.binary(link.operator, so_far, right, if is_affine { Likely::Last } else { Likely::Any });
                    if let (true, Some(_), Implied::Tensor(shape)) = (is_affine, bare_name(&link.right), &sum) {
                        let shape = *shape;
                        self.factors(first).into_iter().for_each(|factor| self.mark_likely(factor, Likely::Last(shape)));
                    }
                    sum
                }
                BinaryOperator::Sub => self.binary(link.operator, so_far, right, Likely::Whole),
                operator => self.binary(operator, so_far, right, Likely::Any),
            };
        }
        so_far
    }

    /// In `x @ W.T` a name W without a value is assumed to be a matrix, as in `x @ W`.
    fn assume_transposed(&mut self, left: &Implied, link: &Link) {
        let left_rank = self.shape(left).and_then(|left| self.shapes.sizes(left)).map_or(0, |sizes| sizes.len());
        if let (BinaryOperator::MatMul, 1.., ExprKind::Attribute(base, _)) = (link.operator, left_rank, &link.right.kind)
            && let Some(name) = bare_name(base)
            && let Some(shape) = self.missing.iter().find(|missing| missing.name == *name).map(|missing| missing.shape)
        {
            self.assume_matrix(shape, left_rank > 2);
        }
    }

    fn binary(&mut self, operator: BinaryOperator, left: Implied, right: Implied, likely: fn(Shape) -> Likely) -> Implied {
        if let (Some(a), Some(b)) = (self.integer(&left), self.integer(&right)) {
            let result = match operator {
                BinaryOperator::Add => a.checked_add(b),
                BinaryOperator::Sub => a.checked_sub(b),
                BinaryOperator::Mul => a.checked_mul(b),
                BinaryOperator::FloorDiv if b > 0 => Some(a.div_euclid(b)),
                BinaryOperator::Mod if b > 0 => Some(a.rem_euclid(b)),
                _ => None,
            };
            return result.map_or(Implied::Number, Implied::Integer);
        }
        match (&left, &right, operator) {
            (Implied::Items(a), Implied::Items(b), BinaryOperator::Add) => {
                Implied::Items(Rc::new(a.iter().chain(b.iter()).cloned().collect()))
            }
            (Implied::Items(_), _, _) | (_, Implied::Items(_), _) => Implied::Unknown,
            _ => self.broadcast(&[left, right], likely),
        }
    }

    /// Returns whether an expression is a product to which a bias is added: `x @ W`, or `gamma * x` with a `gamma` of unknown rank.
    fn is_product(&mut self, expr: &PythonExpr) -> bool {
        let ExprKind::Chain(_, links) = &expr.kind else { return false };
        links.iter().any(|link| link.operator == BinaryOperator::MatMul) || !self.factors(expr).is_empty()
    }

    /// Returns the shapes of the names of unknown rank that are factors of a product.
    fn factors(&mut self, expr: &PythonExpr) -> Vec<Shape> {
        let ExprKind::Chain(first, links) = &expr.kind else { return Vec::new() };
        if links.iter().any(|link| link.operator != BinaryOperator::Mul) {
            return Vec::new();
        }
        let operands: Vec<&PythonExpr> = std::iter::once(&**first).chain(links.iter().map(|link| &link.right)).collect();
        let names = operands.into_iter().filter_map(bare_name);
        let shapes = names.filter_map(|name| self.missing.iter().find(|missing| missing.name == *name).map(|missing| missing.shape));
        shapes.filter(|shape| self.shapes.sizes(*shape).is_none()).collect()
    }

    fn call(&mut self, function: &PythonExpr, arguments: &[Argument]) -> Implied {
        let (name, receiver) = match &function.kind {
            ExprKind::Name(name) => (name, None),
            ExprKind::Attribute(base, word) if self.is_module(base) => (&word.text, None),
            ExprKind::Attribute(base, word) => (&word.text, Some(&**base)),
            _ => return Implied::Unknown,
        };
        let Some(row) = registry::find(name) else { return Implied::Unknown };
        let canonical = row.names[0];
        let star = row.parameters.iter().position(|parameter| parameter.starts_with('*'));
        let mut bound = ImpliedArguments { values: vec![None; row.parameters.len()], ..ImpliedArguments::default() };
        bound.is_bare = matches!(function.kind, ExprKind::Name(_));
        bound.is_numpy = matches!(&function.kind, ExprKind::Attribute(base, _) if is_numpy(base));
        let given = receiver
            .into_iter()
            .map(|base| (None, base))
            .chain(arguments.iter().map(|argument| (argument.keyword.as_ref(), &argument.value)));
        for (position, (keyword, expr)) in given.enumerate() {
            let value = self.evaluate(expr);
            let at = match keyword {
                None => Some(position),
                Some(word) => {
                    row.parameters.iter().position(|parameter| parameter.trim_start_matches('*').split('|').any(|name| name == word.text))
                }
            };
            match at {
                // all arguments without a keyword from the starred parameter on belong to it
                Some(at) if star.is_some_and(|star| at == star || (at > star && keyword.is_none())) => bound.starred_arguments.push(value),
                Some(at) if at < bound.values.len() => bound.values[at] = Some(value),
                _ => {}
            }
        }
        if let Some(first) = receiver.or_else(|| arguments.first().map(|argument| &argument.value)) {
            bound.factors = self.factors(first);
        }
        functions::result(self, canonical, &bound)
    }

    fn index_item(&mut self, item: &PythonExpr) -> Implied {
        let ExprKind::Slice(ends) = &item.kind else { return self.evaluate(item) };
        let mut slice = [None; 3];
        let mut is_known = true;
        for (end, expr) in slice.iter_mut().zip(ends) {
            let Some(expr) = expr else { continue };
            let value = self.evaluate(expr);
            *end = self.integer(&value);
            if matches!(value, Implied::Tensor(_)) {
                // a name without a value is recorded as a whole number
                self.size(&value);
            }
            is_known &= end.is_some() || matches!(value, Implied::Nothing);
        }
        if is_known { Implied::Slice(slice, ends.iter().all(Option::is_none)) } else { Implied::Unknown }
    }

    /// Returns the shape of `base[items]`.
    fn index(&mut self, base: &Implied, items: &[Implied]) -> Implied {
        if let (Implied::Items(list), [item]) = (base, items) {
            let n = self.integer(item).map(|n| if n < 0 { n + i64::try_from(list.len()).unwrap_or(0) } else { n });
            return n.and_then(|n| usize::try_from(n).ok()).and_then(|n| list.get(n).cloned()).unwrap_or(Implied::Unknown);
        }
        if let (Implied::Pair(shape), [Implied::Integer(0 | 1)]) = (base, items) {
            return Implied::Tensor(*shape);
        }
        let Some(shape) = self.shape(base) else { return Implied::Unknown };
        if let [item @ Implied::Tensor(indices)] = items {
            let result = self.looked_up(shape, *indices);
            // a table of vectors, which an index reads row by row
            self.assume_matrix(shape, false);
            self.mark_table(shape, item);
            if self.shapes.sizes(shape).is_none() {
                return Implied::Tensor(result);
            }
        }
        if let [item] = items
            && let Some(n) = self.integer(item).and_then(|n| usize::try_from(n).ok())
        {
            // x[n] is row n, counted from 0
            self.mark_rows(shape, n.saturating_add(1));
        }
        let Some(sizes) = self.shapes.sizes(shape) else { return Implied::Unknown };
        let indexed = items.iter().filter(|item| !matches!(item, Implied::Nothing | Implied::Ellipsis)).count();
        let Some(skipped) = sizes.len().checked_sub(indexed) else { return Implied::Unknown };
        self.indexed_sizes(&sizes, items, skipped).map_or(Implied::Unknown, |sizes| Implied::Tensor(self.shapes.of(sizes)))
    }

    /// Returns the sizes of `x[items]`, where x has `sizes`; `None` if they are not known. `skipped` is the number of axes that `...` stands for.
    fn indexed_sizes(&mut self, sizes: &[Size], items: &[Implied], skipped: usize) -> Option<Vec<Size>> {
        let mut axes = sizes.iter().copied();
        let mut result: Vec<Size> = Vec::new();
        // the axis of the result at which the axes of the index tensors begin, and the shape to which these tensors are broadcast
        let mut index_axes: Option<(usize, Implied)> = None;
        for item in items {
            match item {
                Implied::Nothing => result.push(self.shapes.size(1)),
                Implied::Ellipsis => result.extend(axes.by_ref().take(skipped)),
                Implied::Slice(ends, is_whole) => {
                    let size = axes.next()?;
                    result.push(if *is_whole { size } else { self.sliced(size, *ends) });
                }
                Implied::Integer(_) | Implied::Size(_) | Implied::Number => drop(axes.next()?),
                Implied::Tensor(_) => {
                    self.mark_indices(item, axes.next());
                    index_axes = Some(match index_axes {
                        None => (result.len(), item.clone()),
                        Some((at, other)) => (at, self.broadcast(&[other, item.clone()], Likely::Whole)),
                    });
                }
                _ => return None,
            }
        }
        result.extend(axes);
        if let Some((at, Implied::Tensor(shape))) = index_axes {
            let sizes = self.shapes.sizes(shape)?;
            result.splice(at..at, sizes);
        }
        Some(result)
    }

    /// Returns the number of entries of a slice of an axis with this size. It is unknown if the size is unknown, or if the step is not positive.
    fn sliced(&mut self, size: Size, [start, stop, step]: [Option<i64>; 3]) -> Size {
        let Some(n) = self.shapes.value(size).and_then(|n| i64::try_from(n).ok()).filter(|_| step.is_none_or(|step| step > 0)) else {
            return self.shapes.unknown_size();
        };
        let bound = |end: i64| if end < 0 { (end + n).max(0) } else { end.min(n) };
        let (start, stop) = (start.map_or(0, bound), stop.map_or(n, bound));
        let count = (stop - start).max(0).unsigned_abs().div_ceil(step.unwrap_or(1).unsigned_abs());
        self.shapes.size(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

/// Returns the name if the expression is only a name. The prefix `self.` is ignored.
fn bare_name(expr: &PythonExpr) -> Option<&CompactString> {
    match &expr.kind {
        ExprKind::Name(name) => Some(name),
        ExprKind::Attribute(base, word) if matches!(&base.kind, ExprKind::Name(name) if name == "self") => Some(&word.text),
        _ => None,
    }
}
