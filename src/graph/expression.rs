//! Evaluates expressions. Arithmetic on known numbers is computed at once; everything else becomes operations on tensors.

use super::arithmetic;
use super::attribute;
use super::call::{EvaluatedArgument, Spelling};
use super::dispatch;
use super::functions::{products, registry};
use super::index;
use super::reader::{Binding, GraphReader, MAX_SOURCE};
use super::statement::called_name;
use super::value::Value;
use crate::op::layer::Reported;
use crate::op::operator::Operator;
use crate::python::tree::{Argument, BinaryOperator, ComparisonOperator, ExprKind, Link, PythonExpr, Span, UnaryOperator, Word};

impl GraphReader<'_, '_> {
    /// Evaluates an expression.
    ///
    /// # Errors
    /// If it has a fault, which is reported, or uses a name that has no value or whose statement has a fault.
    pub fn evaluate(&mut self, expr: &PythonExpr) -> Result<Value, Reported> {
        let span = &expr.span;
        match &expr.kind {
            ExprKind::Integer(n) => arithmetic::integer_literal(self, *n, span),
            ExprKind::Float(x) => Ok(Value::float(*x)),
            ExprKind::Text(text) => Ok(Value::Text(text.clone())),
            ExprKind::Bool(flag) => Ok(Value::Bool(*flag)),
            ExprKind::None => Ok(Value::None),
            ExprKind::Ellipsis => Ok(Value::Ellipsis),
            ExprKind::Name(name) => self.name(name, span),
            ExprKind::Attribute(base, word) => self.attribute(base, word, span),
            ExprKind::Call(function, arguments) => self.call(function, arguments, span),
            ExprKind::Index(base, items) => {
                // both are evaluated, so that the faults and the missing names of both are reported
                let base_value = self.evaluate(base);
                let items = self.index_items(items)?;
                let base_value = base_value?;
                index::get(self, &base_value, &items, span)
            }
            ExprKind::Slice(_) => Err(self.fail(span, "a slice is only possible in an index", "for example x[1:3]")),
            ExprKind::Unary(operator, operand) => {
                let value = self.evaluate(operand)?;
                self.unary(*operator, value, span)
            }
            ExprKind::Chain(first, links) => self.chain(first, links),
            ExprKind::Power(base, exponent) => {
                let (base_value, exponent_value) = (self.evaluate(base), self.evaluate(exponent));
                let (base_value, exponent_value) = (base_value?, exponent_value?);
                if let Some((a, b)) = base_value.number().zip(exponent_value.number()) {
                    return arithmetic::power(self, a, b, span);
                }
                self.elementwise(Operator::POW, &[base_value, exponent_value], span).map(Value::Tensor)
            }
            ExprKind::Compare(comparison, both) => {
                let (left, right) = (self.evaluate(&both[0]), self.evaluate(&both[1]));
                let (left, right) = (left?, right?);
                self.compare(*comparison, &left, &right, span)
            }
            ExprKind::Tuple(items) => Ok(Value::tuple(self.evaluate_all(items)?)),
            ExprKind::List(items) => Ok(Value::list(self.evaluate_all(items)?)),
        }
    }

    fn evaluate_all(&mut self, items: &[PythonExpr]) -> Result<Vec<Value>, Reported> {
        // all items are evaluated, so that the faults of all are reported
        let values: Vec<_> = items.iter().map(|item| self.evaluate(item)).collect();
        let values: Vec<Value> = values.into_iter().collect::<Result<_, _>>()?;
        self.note_items(&values);
        Ok(values)
    }

    /// Returns the value of a name.
    fn name(&mut self, name: &str, span: &Span) -> Result<Value, Reported> {
        match self.binding(name) {
            Some(Binding::Known(value)) => {
                let value = value.clone();
                return Ok(self.mentioned(value, span));
            }
            Some(Binding::Faulty) => return Err(Reported),
            None => {}
        }
        if let Some(value) = attribute::constant(name) {
            return Ok(value);
        }
        if registry::find(name).is_some() {
            let help = format!("write {name}(…)");
            return Err(self.fail(span, format!("{name} is a function, but has no arguments here"), help));
        }
        if self.missing_names.insert(name.into()) {
            self.missing.push((name.into(), self.text_number, span.clone()));
        }
        Err(Reported)
    }

    fn attribute(&mut self, base: &PythonExpr, word: &Word, span: &Span) -> Result<Value, Reported> {
        if self.is_module(base) {
            if let Some(value) = attribute::constant(&word.text).or_else(|| attribute::of_module(&word.text)) {
                return Ok(value);
            }
            let message = format!("{} is a function, but has no arguments here", self.source(span));
            return Err(self.fail(span, message, "write its arguments in parentheses"));
        }
        if is_self(base) {
            return self.name(&word.text, span);
        }
        let value = self.evaluate(base)?;
        attribute::get(self, &value, word, span)
    }

    /// Returns whether the expression is the name of a module or a submodule: `torch`, `np`, `torch.nn.functional`.
    fn is_module(&self, expr: &PythonExpr) -> bool {
        match &expr.kind {
            ExprKind::Name(name) => attribute::MODULES.contains(&name.as_str()) && !self.names.contains_key(name),
            ExprKind::Attribute(base, word) => attribute::SUBMODULES.contains(&word.text.as_str()) && self.is_module(base),
            _ => false,
        }
    }

    fn call(&mut self, function: &PythonExpr, arguments: &[Argument], span: &Span) -> Result<Value, Reported> {
        match &function.kind {
            ExprKind::Name(name) => match self.binding(name) {
                Some(Binding::Faulty) => Err(Reported),
                Some(Binding::Known(_)) => {
                    let help = if registry::find(name).is_some() {
                        format!("choose another name for it, or write torch.{name}(…)")
                    } else {
                        "a product is written with *, and an entry with brackets: x[0]".to_owned()
                    };
                    Err(self.fail(&function.span, format!("{name} is a value here, not a function"), help))
                }
                None => {
                    dispatch::check_name(self, name, Spelling::Bare, &function.span)?;
                    let evaluated = self.arguments(arguments)?;
                    dispatch::function(self, name, Spelling::Bare, evaluated, [span, &function.span])
                }
            },
            ExprKind::Attribute(base, word) if self.is_module(base) => {
                let spelling = if is_numpy(base) { Spelling::NumPy } else { Spelling::Torch };
                dispatch::check_name(self, &word.text, spelling, &word.span)?;
                let evaluated = self.arguments(arguments)?;
                dispatch::function(self, &word.text, spelling, evaluated, [span, &function.span])
            }
            ExprKind::Attribute(base, word) if is_self(base) => {
                let help = format!("write out what {} computes, for example x @ W.T + b, with W and b under [graph.inputs]", word.text);
                Err(self.fail(span, format!("self.{}(…) calls a module, whose parameters are not known here", word.text), help))
            }
            ExprKind::Attribute(base, word) => {
                dispatch::check_name(self, &word.text, Spelling::Method, &word.span)?;
                // the receiver and the arguments are both evaluated, so that the faults of both are reported
                let receiver = self.evaluate(base).map(|value| EvaluatedArgument { keyword: None, value, span: base.span.clone() });
                let mut evaluated = self.arguments(arguments)?;
                evaluated.insert(0, receiver?);
                dispatch::function(self, &word.text, Spelling::Method, evaluated, [span, &word.span])
            }
            // nn.Softmax(dim=1)(x)
            ExprKind::Call(..) => {
                let help = called_name(function).and_then(registry::help);
                let help = help.unwrap_or("write the function: softmax(x, dim=-1), or x @ W.T + b with W and b under [graph.inputs]");
                Err(self.fail(span, "this calls a module, which is not possible in a graph", help))
            }
            _ => Err(self.fail(span, "only a function can be called", "for example tanh(x)")),
        }
    }

    fn arguments(&mut self, arguments: &[Argument]) -> Result<Vec<EvaluatedArgument>, Reported> {
        // all arguments are evaluated, so that the faults of all are reported
        let evaluated: Vec<_> = arguments
            .iter()
            .map(|Argument { keyword, value }| {
                let keyword = keyword.as_ref().map(|word| word.text.clone());
                Ok(EvaluatedArgument { keyword, value: self.evaluate(value)?, span: value.span.clone() })
            })
            .collect();
        evaluated.into_iter().collect()
    }

    /// Evaluates the items of an index.
    ///
    /// # Errors
    /// As [`GraphReader::evaluate`].
    pub fn index_items(&mut self, items: &[PythonExpr]) -> Result<Vec<(Value, Span)>, Reported> {
        let values: Vec<_> = items
            .iter()
            .map(|item| {
                let ExprKind::Slice(ends) = &item.kind else { return Ok((self.evaluate(item)?, item.span.clone())) };
                let mut slice = [None; 3];
                for (end, expr) in slice.iter_mut().zip(ends) {
                    let Some(expr) = expr else { continue };
                    let value = self.evaluate(expr)?;
                    *end = match value {
                        Value::None => None,
                        value => Some(arithmetic::integer(self, &value, "the end of a slice", &expr.span)?),
                    };
                }
                Ok((Value::Slice(slice), item.span.clone()))
            })
            .collect();
        values.into_iter().collect()
    }

    fn unary(&mut self, operator: UnaryOperator, value: Value, span: &Span) -> Result<Value, Reported> {
        match (operator, value.number()) {
            (UnaryOperator::Plus, Some(_)) => Ok(value),
            (UnaryOperator::Plus, None) => self.operand(&value, span).map(|_| value),
            (UnaryOperator::Minus, Some(number)) => arithmetic::negated(self, number, span),
            (UnaryOperator::Minus, None) => self.elementwise(Operator::Neg, &[value], span).map(Value::Tensor),
            (UnaryOperator::Invert, _) => {
                if let Value::Bool(flag) = value {
                    return Ok(Value::Bool(!flag));
                }
                self.mask("~", &[value], span)
            }
        }
    }

    /// Applies operators of the same precedence from left to right: `a + b - c`.
    fn chain(&mut self, first: &PythonExpr, links: &[Link]) -> Result<Value, Reported> {
        let mut so_far = self.evaluate(first);
        for link in links {
            // evaluated even if the left operand has a fault, so that the faults of both are reported
            let right = self.evaluate(&link.right);
            let span = first.span.start..link.right.span.end;
            let span = self.with_parentheses(&span);
            so_far = match (so_far, right) {
                (Ok(left), Ok(right)) => self.binary(link.operator, left, right, &span),
                _ => Err(Reported),
            };
        }
        so_far
    }

    /// Extends a span to the parentheses around its first or last operand. In `(a + b) * c` the span of `a + b` excludes the parentheses, so that of the
    /// product would begin inside them.
    fn with_parentheses(&self, span: &Span) -> Span {
        // a long source text is not shown as the symbol of a node, so its parentheses do not matter
        let Some(text) = self.texts.get(self.text_number).filter(|_| span.len() <= MAX_SOURCE) else { return span.clone() };
        let (mut start, mut end) = (span.start, span.end);
        // the depth of the parentheses, counted from the start of the span, and its lowest value: for `a + b) * (c`, 0 at the end, and −1
        let (mut depth, mut lowest) = (0_i64, 0_i64);
        for byte in text.get(start..end).unwrap_or_default().bytes() {
            depth += i64::from(byte == b'(') - i64::from(byte == b')');
            lowest = lowest.min(depth);
        }
        // a parenthesis that closes without an opening one in the span was opened before the span, and vice versa
        for _ in 0..-lowest {
            match text[..start].rfind('(') {
                Some(at) if text[at + 1..start].trim().is_empty() => start = at,
                _ => break,
            }
        }
        for _ in 0..depth - lowest {
            match text[end..].find(')') {
                Some(at) if text[end..end + at].trim().is_empty() => end += at + 1,
                _ => break,
            }
        }
        start..end
    }

    /// Applies an operator to two values.
    ///
    /// # Errors
    /// If the values do not fit together.
    pub fn binary(&mut self, operator: BinaryOperator, left: Value, right: Value, span: &Span) -> Result<Value, Reported> {
        if let Some((a, b)) = left.number().zip(right.number()) {
            return arithmetic::binary(self, operator, a, b, span);
        }
        if let Some(joined) = arithmetic::lists(self, operator, &left, &right, span)? {
            return Ok(joined);
        }
        let elementwise = match operator {
            BinaryOperator::Add => Operator::Add,
            BinaryOperator::Sub => Operator::Sub,
            BinaryOperator::Mul => Operator::Mul,
            BinaryOperator::Div => Operator::DIV,
            BinaryOperator::Pow => Operator::POW,
            BinaryOperator::MatMul => return products::matmul(self, &left, &right, span),
            BinaryOperator::And => return self.mask("&", &[left, right], span),
            BinaryOperator::Or => return self.mask("|", &[left, right], span),
            BinaryOperator::FloorDiv | BinaryOperator::Mod => {
                let help = "// and % are for whole numbers that are known, such as sizes";
                return Err(self.fail(span, "this operator has no derivative, and is not possible with tensors", help));
            }
        };
        self.elementwise(elementwise, &[left, right], span).map(Value::Tensor)
    }

    /// Compares two values. The result of a comparison with a tensor is a mask of 0 and 1.
    fn compare(&mut self, comparison: ComparisonOperator, left: &Value, right: &Value, span: &Span) -> Result<Value, Reported> {
        if let Some((a, b)) = left.number().zip(right.number()) {
            let (a, b) = (a.value.as_f64(), b.value.as_f64());
            return Ok(Value::Bool(match comparison {
                ComparisonOperator::Less => a < b,
                ComparisonOperator::AtMost => a <= b,
                ComparisonOperator::Greater => a > b,
                ComparisonOperator::AtLeast => a >= b,
                #[allow(clippy::float_cmp)] // as in Python
                ComparisonOperator::Equal => a == b,
                #[allow(clippy::float_cmp)] // as in Python
                ComparisonOperator::NotEqual => a != b,
            }));
        }
        let operation = match comparison {
            ComparisonOperator::Less => "<",
            ComparisonOperator::AtMost => "<=",
            ComparisonOperator::Greater => ">",
            ComparisonOperator::AtLeast => ">=",
            ComparisonOperator::Equal => "==",
            ComparisonOperator::NotEqual => "!=",
        };
        self.mask(operation, &[left.clone(), right.clone()], span)
    }
}

/// Returns whether the expression is the name `self`.
fn is_self(expr: &PythonExpr) -> bool {
    matches!(&expr.kind, ExprKind::Name(name) if name == "self")
}

/// Returns whether a module is NumPy's.
pub fn is_numpy(expr: &PythonExpr) -> bool {
    match &expr.kind {
        ExprKind::Name(name) => name == "np" || name == "numpy",
        ExprKind::Attribute(base, _) => is_numpy(base),
        _ => false,
    }
}
