//! Interprets statements: assignments and loops, which are unrolled. The lines around the forward pass of a notebook, such as `print(x)`, are left out.

use std::rc::Rc;

use compact_str::CompactString;

use super::MAX_OPERATIONS;
use super::arithmetic;
use super::functions::registry;
use super::index;
use super::reader::{Binding, GraphReader};
use super::value::{Range, Value};
use crate::network::Turn;
use crate::op::layer::Reported;
use crate::python::tree::{BinaryOperator, ExprKind, PythonExpr, Span, Statement, StatementKind, Word};
use crate::tensor::flat;
use crate::text::{are, counted};

/// Names to which a statement cannot assign, because they are addresses of steps.
const ADDRESSES: &[&str] = &["first", "last", "backward"];
/// Functions whose calls, as statements, are left out.
const LEFT_OUT_FUNCTIONS: &[&str] = &[
    "print",
    "backward",
    "retain_grad",
    "requires_grad_",
    "zero_grad",
    "manual_seed",
    "zero_",
    "step",
    "eval",
    "train",
    "set_printoptions",
    "seed",
    "display",
    "show",
    "cmp",
    "set_default_dtype",
    "set_grad_enabled",
];
/// Attributes whose assignments are left out: `p.grad = None`.
const LEFT_OUT_ATTRIBUTES: &[&str] = &["grad", "requires_grad", "data"];

impl GraphReader<'_, '_> {
    /// Interprets statements, one after another.
    pub fn run(&mut self, statements: &[Statement]) {
        for statement in statements {
            if self.is_full() {
                break;
            }
            self.fresh.clear();
            if self.count(&statement.span).is_err() {
                break;
            }
            self.first_is_counted = true;
            if self.has_returned && !is_left_out(&statement.kind) {
                self.fail(&statement.span, "this statement comes after return", "return ends the graph: leave it out");
                break;
            }
            let first = self.begin_statement(statement);
            let result = self.statement(statement);
            if !matches!(statement.kind, StatementKind::For(..) | StatementKind::With(..)) {
                let operations = self.several_from(first);
                self.composite_statements.extend(operations);
            }
            if result.is_err() {
                // the uses of these names get no fault of their own
                for name in assigned_names(&statement.kind) {
                    self.bind(&name, Binding::Faulty);
                }
            }
        }
    }

    /// Begins a statement. Returns the number of operations before it.
    fn begin_statement(&mut self, statement: &Statement) -> usize {
        let next = self.statements.len();
        self.statement = match self.turn {
            // in each turn of a loop, a statement keeps the number that it got in the first turn
            Some(_) => *self.statement_at.entry((self.text_number, statement.span.start)).or_insert(next),
            None => next,
        };
        if self.statement == next {
            self.statements.push((self.text_number, statement.span.clone()));
        }
        self.nodes.len()
    }

    /// Returns whether reading stops, because there are too many faults or operations.
    fn is_full(&self) -> bool {
        self.faults.len() >= super::MAX_FAULTS || self.operations > MAX_OPERATIONS
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), Reported> {
        let span = &statement.span;
        match &statement.kind {
            StatementKind::Assign(targets, value) => {
                if let ExprKind::Text(_) = value.kind {
                    let help = "strings are known in einsum, reduction, approximate and padding alone";
                    return Err(self.fail(&value.span, "a name cannot have a string as its value", help));
                }
                if targets.iter().any(is_left_out_target) {
                    self.leave_out(span);
                    return Ok(());
                }
                let first_target = targets.first().and_then(first_name).unwrap_or_default();
                let evaluated = self.evaluate(value).and_then(|evaluated| {
                    if targets.len() > 1 {
                        // in `a = b = x @ W`, each target copies the unnamed tensor of x @ W
                        self.shared = std::mem::take(&mut self.fresh);
                    }
                    targets.iter().try_for_each(|target| self.assign_target(target, evaluated.clone(), &value.span))
                });
                // the shared tensors come before their copies
                self.fresh.splice(0..0, self.shared.drain(..));
                self.end_statement(&first_target);
                evaluated
            }
            StatementKind::Augment(target, operator, value) => self.augment(target, *operator, value, span),
            StatementKind::For(variable, iterable, body) => self.for_loop(variable, iterable, body, span),
            StatementKind::With(context, body) => self.with(context, body, span),
            StatementKind::Expression(expr) => self.expression_statement(expr, span),
            StatementKind::Return(value) => {
                if matches!(value.kind, ExprKind::Tuple(_)) {
                    return Err(self.fail(&value.span, "a graph has one output, but several values are returned", "return the loss alone"));
                }
                let evaluated = self.evaluate(value)?;
                let name = match &value.kind {
                    ExprKind::Name(name) => name.clone(),
                    _ => CompactString::from("output"),
                };
                let is_named = matches!(value.kind, ExprKind::Name(_));
                if is_named && let Value::Tensor(id) = evaluated {
                    self.output = Some((id, self.text_number, value.span.clone()));
                } else {
                    self.assign(&name, evaluated, &value.span)?;
                }
                self.end_statement(&name);
                self.has_returned = true;
                Ok(())
            }
            StatementKind::LeftOut => {
                self.leave_out(span);
                Ok(())
            }
            StatementKind::Faulty(_) => Err(Reported),
        }
    }

    fn leave_out(&mut self, span: &Span) {
        self.left_out.push((self.text_number, span.clone()));
    }

    /// Assigns a value to a target.
    fn assign_target(&mut self, target: &PythonExpr, value: Value, value_span: &Span) -> Result<(), Reported> {
        match &target.kind {
            ExprKind::Tuple(targets) | ExprKind::List(targets) => {
                let items = self.unpack(&value, targets.len(), value_span)?;
                targets.iter().zip(items).try_for_each(|(target, item)| self.assign_target(target, item, value_span))
            }
            ExprKind::Index(base, items) => {
                if let ExprKind::Index(..) = base.kind {
                    return Err(self.fail(
                        &target.span,
                        "this assigns to a part of a part",
                        "write x[0, 1] = … in the place of x[0][1] = …",
                    ));
                }
                let Some(name) = first_name(base) else {
                    return Err(self.fail(&target.span, "this cannot be assigned", "assign to a name, or to x[i]"));
                };
                let items = self.index_items(items)?;
                if let Some(Binding::Known(Value::List(list))) = self.binding(&name) {
                    let mut list = list.to_vec();
                    let [(item, item_span)] = &items[..] else { return Err(self.fail(&target.span, "a list has one index", "")) };
                    let n = arithmetic::integer(self, item, "the index of a list", item_span)?;
                    let at = usize::try_from(if n < 0 { n + i64::try_from(list.len()).unwrap_or(0) } else { n }).ok();
                    let Some(slot) = at.and_then(|at| list.get_mut(at)) else {
                        return Err(self.fail(item_span, format!("there is no item {n}: there are {}", list.len()), ""));
                    };
                    *slot = value;
                    self.bind(&name, Binding::Known(Value::list(list)));
                    return Ok(());
                }
                let old = self.evaluate(base)?;
                let id = self.tensor(&old, &base.span)?;
                let new = index::set(self, id, &items, &value, &target.span)?;
                self.assign(&name, Value::Tensor(new), &target.span).map(|_| ())
            }
            _ => {
                let Some(name) = first_name(target) else {
                    return Err(self.fail(&target.span, "this cannot be assigned", "assign to a name, or to x[i]"));
                };
                self.check_name(&name, &target.span)?;
                self.assign(&name, value, value_span).map(|_| ())
            }
        }
    }

    /// Checks that a statement may assign this name.
    ///
    /// # Errors
    /// If the name is an address.
    pub fn check_name(&mut self, name: &str, span: &Span) -> Result<(), Reported> {
        if ADDRESSES.contains(&name) {
            let message = format!("the name \"{name}\" is taken: it is the address of a step");
            return Err(self.fail(span, message, "choose another name"));
        }
        Ok(())
    }

    /// Splits a value into the values of several targets.
    fn unpack(&mut self, value: &Value, count: usize, span: &Span) -> Result<Vec<Value>, Reported> {
        let names_are = format!("{} {}", counted(count, "name"), are(count));
        let items = match value {
            Value::Extremum(extremum) if count == 2 => {
                let indices = super::functions::minmax::indices(self, *extremum, span)?;
                vec![Value::Tensor(extremum.values), Value::Tensor(indices)]
            }
            Value::Tensor(id) => {
                let Some(&rows) = self.shape(*id).first() else {
                    return Err(self.fail(span, "a single number cannot be split", ""));
                };
                if rows != count {
                    let message = format!("{names_are} assigned, but {} has {}", self.describe(*id), counted(rows, "row"));
                    return Err(self.fail(span, message, ""));
                }
                self.rows(*id, rows, span)?
            }
            _ => {
                if let Some(items) = value.items() {
                    items
                } else {
                    return Err(self.fail(span, format!("{names_are} assigned, but there is one value: {}", value.kind()), ""));
                }
            }
        };
        if items.len() != count {
            let message = format!("{names_are} assigned, but there {} {}", are(items.len()), counted(items.len(), "value"));
            return Err(self.fail(span, message, ""));
        }
        Ok(items)
    }

    /// Returns the rows of a tensor.
    fn rows(&mut self, id: usize, rows: usize, span: &Span) -> Result<Vec<Value>, Reported> {
        (0..rows).map(|row| index::select(self, id, &[(Value::size(row), span.clone())], span).map(Value::Tensor)).collect()
    }

    /// Interprets `target += value` and the like.
    fn augment(&mut self, target: &PythonExpr, operator: BinaryOperator, value: &PythonExpr, span: &Span) -> Result<(), Reported> {
        let Some(name) = first_name(target) else {
            return Err(self.fail(&target.span, "this cannot be assigned", "assign to a name, or to x[i]"));
        };
        // a closure, so that a fault does not skip `end_statement`
        let evaluated = (|| {
            // both sides are read before the first `?`, so that the faults of both are reported
            let old = self.evaluate(target);
            let right = self.evaluate(value)?;
            let old = old?;
            let new = self.binary(operator, old.clone(), right, span)?;
            if let (Value::Tensor(old), Value::Tensor(new)) = (&old, &new)
                && self.shape(*old) != self.shape(*new)
                && !matches!(target.kind, ExprKind::Index(..))
            {
                let message = format!("this assigns {} in the place of {}", self.describe(*new), self.describe(*old));
                return Err(self.fail(span, message, format!("write {name} = {name} … if another shape is meant")));
            }
            self.assign_target(target, new, span)
        })();
        self.end_statement(&name);
        evaluated
    }

    /// Unrolls a loop.
    fn for_loop(&mut self, variable: &PythonExpr, iterable: &PythonExpr, body: &[Statement], span: &Span) -> Result<(), Reported> {
        if body.iter().all(|statement| is_left_out(&statement.kind)) {
            self.leave_out(span);
            return Ok(());
        }
        let value = self.evaluate(iterable)?;
        // the tensors of the iterable get names of the variable
        self.name_items(&first_name(variable).unwrap_or_default());
        let turns = match &value {
            Value::Range(range) => range.len(),
            Value::Tensor(id) => self.shape(*id).first().copied().unwrap_or(0),
            Value::List(items) | Value::Tuple(items) => items.len(),
            _ => {
                let message = format!("a loop runs over a range, a list or the rows of a tensor, not over {}", value.kind());
                return Err(self.fail(&iterable.span, message, "for example for t in range(3):"));
            }
        };
        let statements = turns.saturating_mul(count_statements(body));
        if self.operations.saturating_add(statements) > MAX_OPERATIONS {
            let message = format!("this loop has {turns} turns: the graph would have more than {MAX_OPERATIONS} statements");
            return Err(self.fail_too_long(&iterable.span, message));
        }
        let outer = self.turn;
        for turn in 0..turns {
            if self.is_full() {
                break;
            }
            self.fresh.clear();
            let item = match &value {
                Value::Range(Range { start, step, .. }) => Value::integer(start + i64::try_from(turn).unwrap_or(0) * step),
                Value::Tensor(id) => self.turn_of_tensor(*id, turn, &iterable.span)?,
                Value::List(items) | Value::Tuple(items) => items[turn].clone(),
                // refused above
                _ => return Ok(()),
            };
            self.bind_variable(variable, &item)?;
            self.name_items(&first_name(variable).unwrap_or_default());
            self.turn = Some(Turn { number: turn + 1, count: turns });
            self.run(body);
        }
        self.turn = outer;
        Ok(())
    }

    /// Returns the value of the variable of a loop over the rows of a tensor: row `turn`, or its number if it is known and has no derivative.
    fn turn_of_tensor(&mut self, id: usize, turn: usize, span: &Span) -> Result<Value, Reported> {
        if let Some(data) = self.tensors[id].data.clone().filter(|data| data.ndim() == 1 && !self.tensors[id].flows) {
            self.note_structure(id, "the numbers of a loop", span);
            let x = flat(&data)[turn];
            #[allow(clippy::cast_possible_truncation)] // a whole number
            return Ok(if x.fract() == 0.0 && x.abs() < 1e15 { Value::integer(x as i64) } else { Value::float(x) });
        }
        index::select(self, id, &[(Value::size(turn), span.clone())], span).map(Value::Tensor)
    }

    /// Binds the variable of a loop. This does not count as an assignment: the name gets no new version.
    fn bind_variable(&mut self, variable: &PythonExpr, value: &Value) -> Result<(), Reported> {
        match &variable.kind {
            ExprKind::Name(name) => {
                self.bind(name, Binding::Known(value.clone()));
                Ok(())
            }
            ExprKind::Tuple(names) | ExprKind::List(names) => {
                let items = self.unpack(value, names.len(), &variable.span)?;
                names.iter().zip(&items).try_for_each(|(name, item)| self.bind_variable(name, item))
            }
            _ => Err(self.fail(&variable.span, "a loop's variable is a name", "")),
        }
    }

    fn with(&mut self, context: &PythonExpr, body: &[Statement], span: &Span) -> Result<(), Reported> {
        if called_name(context).is_some_and(|name| name == "no_grad" || name == "inference_mode") {
            self.leave_out(span);
            return Ok(());
        }
        if called_name(context).is_some_and(|name| name == "enable_grad") {
            self.run(body);
            return Ok(());
        }
        Err(self.fail(&context.span, "only torch.no_grad() can follow with", "write its lines without it"))
    }

    /// Interprets a line that is only an expression: a list's `append`, or a line that is left out.
    fn expression_statement(&mut self, expr: &PythonExpr, span: &Span) -> Result<(), Reported> {
        if is_left_out_expression(expr) {
            self.leave_out(span);
            return Ok(());
        }
        if let ExprKind::Call(function, arguments) = &expr.kind
            && let ExprKind::Attribute(base, word) = &function.kind
            && let Some(name) = first_name(base)
            && matches!(self.binding(&name), Some(Binding::Known(Value::List(_))))
        {
            let [argument] = &arguments[..] else { return Err(self.fail(span, format!("{} takes one argument", word.text), "")) };
            let value = self.evaluate(&argument.value)?;
            let added = match word.text.as_str() {
                "append" => vec![value],
                "extend" => value.items().unwrap_or_default(),
                _ => return Err(self.fail(&word.span, format!("a list has no method {} here", word.text), "append adds an item")),
            };
            self.name_items(&name);
            let known = self.names.get(&name).map(|known| &mut self.known_names[*known].binding);
            if let Some(Binding::Known(Value::List(list))) = known {
                Rc::make_mut(list).extend(added);
            }
            return Ok(());
        }
        if let ExprKind::Call(function, _) = &expr.kind
            && let ExprKind::Attribute(base, word) = &function.kind
            && word.text == "append"
        {
            let name = first_name(base).unwrap_or_default();
            let help = format!("write {name} = [] before it, or leave the line out");
            return Err(self.fail(&base.span, format!("{name} is not a list"), help));
        }
        if let ExprKind::Call(function, _) = &expr.kind
            && let ExprKind::Attribute(base, word) = &function.kind
            && let Some(name) = word.text.strip_suffix('_')
        {
            return Err(self.fail_in_place(base, (word, name), span));
        }
        let help = "for example u = a * b";
        Err(self.fail(span, "a node is written name = expression", help))
    }

    /// Reports a method that changes its tensor in place: `x.add_(1)`. `name` is the method that makes a new tensor instead: `add`.
    fn fail_in_place(&mut self, base: &PythonExpr, (word, name): (&Word, &str), span: &Span) -> Reported {
        let (tensor, call) = (self.source(&base.span), self.source(span));
        let help = if registry::find(name).is_some() {
            format!("write {tensor} = {}", call.replacen(&format!(".{}(", word.text), &format!(".{name}("), 1))
        } else {
            registry::help(name).map_or_else(|| format!("write {tensor} = … with the new entries"), str::to_owned)
        };
        self.fail(span, format!("{call} changes {tensor} in place, but a graph makes a new tensor for each change"), help)
    }
}

/// Returns the number of statements of a body, with those of its loops.
fn count_statements(body: &[Statement]) -> usize {
    body.iter()
        .map(|statement| match &statement.kind {
            StatementKind::For(_, _, inner) | StatementKind::With(_, inner) => 1 + count_statements(inner),
            _ => 1,
        })
        .sum()
}

/// Returns the name that a target assigns first: `x` of `x[i]` and of `x, y`. The prefix `self.` is ignored.
pub fn first_name(target: &PythonExpr) -> Option<CompactString> {
    match &target.kind {
        ExprKind::Name(name) => Some(name.clone()),
        ExprKind::Attribute(base, word) if matches!(&base.kind, ExprKind::Name(name) if name == "self") => Some(word.text.clone()),
        ExprKind::Index(base, _) => first_name(base),
        ExprKind::Tuple(items) | ExprKind::List(items) => items.first().and_then(first_name),
        _ => None,
    }
}

/// Returns all names that a statement assigns.
pub fn assigned_names(kind: &StatementKind) -> Vec<CompactString> {
    fn collect(target: &PythonExpr, names: &mut Vec<CompactString>) {
        match &target.kind {
            ExprKind::Tuple(items) | ExprKind::List(items) => items.iter().for_each(|item| collect(item, names)),
            _ => names.extend(first_name(target)),
        }
    }
    let mut names = Vec::new();
    match kind {
        StatementKind::Assign(targets, _) => targets.iter().for_each(|target| collect(target, &mut names)),
        StatementKind::Augment(target, ..) => collect(target, &mut names),
        StatementKind::For(variable, _, body) => {
            collect(variable, &mut names);
            names.extend(body.iter().flat_map(|statement| assigned_names(&statement.kind)));
        }
        StatementKind::With(_, body) => names.extend(body.iter().flat_map(|statement| assigned_names(&statement.kind))),
        StatementKind::Faulty(faulty) => names.extend(faulty.iter().cloned()),
        StatementKind::Expression(expr) => {
            // the list of a faulty `append`
            if let ExprKind::Call(function, _) = &expr.kind
                && let ExprKind::Attribute(base, _) = &function.kind
            {
                collect(base, &mut names);
            }
        }
        StatementKind::Return(_) | StatementKind::LeftOut => {}
    }
    names
}

/// Returns the last name of the function that an expression calls: `no_grad` for `torch.no_grad()`.
pub fn called_name(expr: &PythonExpr) -> Option<&str> {
    let ExprKind::Call(function, _) = &expr.kind else { return None };
    match &function.kind {
        ExprKind::Name(name) => Some(name),
        ExprKind::Attribute(_, word) => Some(&word.text),
        _ => None,
    }
}

/// Returns whether a statement has no meaning for the graph.
pub fn is_left_out(kind: &StatementKind) -> bool {
    match kind {
        StatementKind::LeftOut => true,
        StatementKind::Assign(targets, _) => targets.iter().any(is_left_out_target),
        StatementKind::Augment(target, ..) => is_left_out_target(target),
        StatementKind::Expression(expr) => is_left_out_expression(expr),
        StatementKind::For(_, _, body) | StatementKind::With(_, body) => body.iter().all(|statement| is_left_out(&statement.kind)),
        StatementKind::Return(_) | StatementKind::Faulty(_) => false,
    }
}

fn is_left_out_target(target: &PythonExpr) -> bool {
    matches!(&target.kind, ExprKind::Attribute(base, word)
        if LEFT_OUT_ATTRIBUTES.contains(&word.text.as_str()) && !matches!(&base.kind, ExprKind::Name(name) if name == "self"))
}

fn is_left_out_expression(expr: &PythonExpr) -> bool {
    match &expr.kind {
        ExprKind::Name(_) | ExprKind::Text(_) | ExprKind::Ellipsis | ExprKind::None => true,
        ExprKind::Attribute(base, _) => is_left_out_expression(base),
        ExprKind::Tuple(items) => items.iter().all(is_left_out_expression),
        ExprKind::Call(..) => called_name(expr).is_some_and(|name| LEFT_OUT_FUNCTIONS.contains(&name)),
        _ => false,
    }
}
