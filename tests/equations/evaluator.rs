//! Evaluates the right-hand side of an equation from the whole operands, without the arithmetic of `src/op`.
//!
//! The meaning of a notation can depend on the shapes of the operands and on the keys of the layer:
//!
//! - `W a`: if one operand is a number or both have the same shape, the product entry by entry, such as `t log a`; else the product of two matrices, where the
//!   vector a is a column and aᵀ is a row. If the shapes have no such product, one number for each group times the entries of the group, such as `r c` of a
//!   norm.
//! - `W ∘ n`: the product entry by entry; a vector with one number for each channel is repeated over the channels.
//! - `W * a`: the cross-correlation of filters and an image, with the stride, padding, dilation and groups of the layer. With `rot180` it computes the gradient
//!   of the input from the error of the output. The cross-correlation of two images gives filters ([`Placement`]).
//! - `Σ`, `mean`: over all entries, over each channel or over each group, as the shape of the result requires. The `mean` and `max` of a pool are over each
//!   window; the key `count_include_pad` says whether the mean counts padding. A `Σ` beside a tensor is a number, as in `softmax(a) Σ t`.
//! - `n`: the number of entries of x for each entry of y = f(x). If f is a pool, the number of entries of the window; if the rule reads the target, that of
//!   the target. In the reduce pass, the number of samples.
//! - `ε`, `η`, `λ`, `μ`: keys of the file, or their defaults. The arguments of functions such as `elu` and `huber`, which only their definitions show, are keys
//!   too.
//! - `a` in a sum of larger tensors, such as a bias or a mean that is subtracted: each entry is repeated over its channel or group.
//! - `Jᵀ δ, Jⱼᵢ = … = …`: all tensors are vectors. Each expression after Jⱼᵢ is evaluated, and they must agree.
//! - `f′(z)`, `∂v/∂u`: the slope of f at z, or of the right-hand side of v with respect to this one operand, even if v reads u twice ([`super::dual`]).
//! - `at the winners, else 0`: the number of each window is added to the *winner*, the first of the window's largest pixels.
//! - `all over each window`, `all over the channel`: the number of each window is added to all its pixels; the number of a channel is repeated over the
//!   channel.
//!
//! A notation that the evaluator does not know is an error, so that no op is skipped.

use gradstep::expr::{Definition, Expr, Join, Primitive, Slot};
use gradstep::network::{BatchSource, Network, Op, Role, Run};
use gradstep::op::activation::ACTIVATIONS;
use gradstep::op::rule::Arguments;
use gradstep::step::Pass;

use super::dual::{self, Dual, Scope, constant, variable};
use super::keys::{Keys, Table};
use super::optimizer::{BETAS, Optimizer};
use super::tensor::{Tensor, len};
use super::windows::{Placement, enlarged, lifted, lowered, rot180};

/// The reason why something cannot be evaluated.
type Why = String;

/// A part of an op, with the numbers of a run.
#[derive(Clone)]
pub struct Part<'a> {
    pub network: &'a Network,
    pub run: &'a Run,
    pub keys: &'a Keys,
    pub op: &'a Op,
    /// The index of the part in `op.parts`.
    pub number: usize,
    pub arguments: Arguments,
    /// The iteration, from 1.
    pub iteration: u64,
    /// The Jacobian J while an expression with J is evaluated. All operands are then vectors.
    pub jacobian: Option<Tensor>,
}

impl Part<'_> {
    /// The right-hand side, in the shape of the op's tensor.
    pub fn right_hand_side(&self, right: &Expr) -> Result<Tensor, Why> {
        let shape = &self.network.tensor(self.op.output).shape;
        let value = self.value(right, shape)?;
        // the equation of the gradient of a concatenation's input has all of ∂C/∂y, and each input gets its piece
        if len(shape) < value.values.len() && self.kind() == Some("cat") {
            return self.piece(&value)?.shaped(shape);
        }
        value.spread(shape)
    }

    /// The type of the layer that computes y.
    fn kind(&self) -> Option<&'static str> {
        Some(self.network.layers()[self.network.tensor(self.y()).layer?].kind)
    }

    /// Whether the layer that computes y is one-dimensional.
    fn is_1d(&self) -> bool {
        self.kind().is_some_and(|kind| ["conv1d", "max_pool1d", "avg_pool1d"].contains(&kind))
    }

    /// The piece of ∂C/∂y that belongs to the input of this part, where y is the concatenation of the inputs.
    fn piece(&self, output_gradient: &Tensor) -> Result<Tensor, Why> {
        let Role::Gradient(input) = self.network.tensor(self.op.output).role else { return Err("no gradient".to_owned()) };
        let forward = &self.network.ops()[self.network.producer(self.y()).ok_or("y is not computed")?].parts[0];
        // the parts before this one that belong to the same y are earlier uses of the input
        let earlier_uses = self.op.parts[..self.number].iter().filter(|part| part.operands.get(Slot::Output) == Some(self.y())).count();
        let (mut offset, mut uses) = (0, 0);
        for id in (0..).map_while(|slot| forward.operands.get(Slot::Input(slot))) {
            let count = len(&self.network.tensor(id).shape);
            if id == input && uses == earlier_uses {
                return Ok(Tensor::new(&[count], output_gradient.values[offset..offset + count].to_vec()));
            }
            uses += usize::from(id == input);
            offset += count;
        }
        Err("y does not read this input".to_owned())
    }

    fn tensor(&self, id: usize) -> Tensor {
        Tensor::new(&self.network.tensor(id).shape, self.run.values(id).to_vec())
    }

    fn operand(&self, slot: Slot) -> Result<Tensor, Why> {
        let id = self.op.parts[self.number].operands.get(slot).ok_or_else(|| format!("{slot:?} is not read"))?;
        let tensor = self.tensor(id);
        let entries = [tensor.values.len()];
        if self.jacobian.is_some() { tensor.shaped(&entries) } else { Ok(tensor) }
    }

    /// The id of y, if this part is a rule of the function y = f(x): its forward rule or one of its derivatives.
    fn y(&self) -> usize {
        self.op.parts[self.number].operands.get(Slot::Output).unwrap_or(self.op.output)
    }

    /// The keys of the layer that computes y, or those of the loss if no layer does.
    fn own_keys(&self) -> Table {
        self.network.tensor(self.y()).layer.map_or_else(|| self.keys.below("loss"), |layer| self.keys.layer(layer))
    }

    /// The windows, if y is the output of a pool.
    fn pool(&self) -> Option<Placement> {
        let pools = ["max_pool2d", "avg_pool2d", "max_pool1d", "avg_pool1d", "adaptive_avg_pool2d"];
        pools.contains(&self.kind()?).then(|| Placement::of_pool(&self.own_keys(), self.is_1d()))
    }

    /// Evaluates an expression. `wanted` is the shape of the whole right-hand side: `Σ`, `mean` and products depend on it.
    fn value(&self, expr: &Expr, wanted: &[usize]) -> Result<Tensor, Why> {
        let value_of = |expr: &Expr| self.value(expr, wanted);
        match *expr {
            Expr::All(slot) | Expr::Entry(slot) => self.operand(slot),
            Expr::Arg(n) => value_of(self.arguments.get(n).ok_or_else(|| format!("there is no argument {n}"))?),
            Expr::Number(number) => Ok(Tensor::number(number)),
            Expr::Name(name) => self.name(name),
            Expr::Neg(a) => Ok(value_of(a)?.map(|a| -a)),
            Expr::Add([a, b]) => value_of(a)?.zip(value_of(b)?, |a, b| a + b),
            Expr::Sub([a, b]) => value_of(a)?.zip(value_of(b)?, |a, b| a - b),
            Expr::Mul([a, b]) => value_of(a)?.zip(value_of(b)?, |a, b| a * b),
            Expr::Div([a, b]) => value_of(a)?.zip(value_of(b)?, |a, b| a / b),
            Expr::Square(a) => Ok(value_of(a)?.map(|a| a * a)),
            Expr::Product(Join::Hadamard, [a, b]) => value_of(a)?.hadamard(value_of(b)?),
            Expr::Product(Join::Juxtaposed, [a, b]) => self.product(a, b, wanted),
            Expr::Product(Join::Convolution, [a, b]) => self.convolution(a, b, wanted),
            Expr::Inner([a, b]) => value_of(a)?.zip(value_of(b)?, |a, b| a * b)?.sum(&[]),
            Expr::Transposed(a) => value_of(a)?.transposed(),
            Expr::Of(function, arguments) => self.function(function, arguments, wanted),
            Expr::Prime(function, [a, t]) if function.name == "hinge" => self.hinge(&value_of(a)?, &value_of(t)?, true),
            Expr::Prime(function, arguments) => self.entries(function, arguments, wanted, |dual| dual.slope),
            Expr::Partial(slot) => Ok(Tensor::number(self.partial(slot)?)),
            Expr::Remark(a, words) => self.remark(a, words, wanted),
            Expr::Where([body, definition]) => self.with_jacobian(body, definition, wanted),
            ref other => Err(format!("{other:?} is not evaluated")),
        }
    }

    fn name(&self, name: &str) -> Result<Tensor, Why> {
        let train = |key: &str| (self.op.pass == Pass::Update).then(|| Optimizer::of(self.keys).number(key));
        let value = match name {
            "½" => Some(0.5),
            "n" => return self.n(),
            "J" => return self.jacobian.clone().ok_or_else(|| "J is not defined".to_owned()),
            "ε" => Some(self.own_keys().number("eps").unwrap_or(1e-5)),
            "η" => train("learning_rate"),
            "λ" if self.op.pass == Pass::Reduce => self.keys.below("loss").number("l2"),
            "λ" => train("weight_decay"),
            "μ" => train("momentum"),
            "τ" => train("dampening"),
            "α" => train("alpha"),
            "β₁" => Some(BETAS[0]),
            "β₂" => Some(BETAS[1]),
            "ηₜ" => Some(Optimizer::of(self.keys).rate(self.iteration)),
            _ => None,
        };
        value.map(Tensor::number).ok_or_else(|| format!("the name {name} is not evaluated"))
    }

    /// The `n` of an equation.
    fn n(&self) -> Result<Tensor, Why> {
        if self.op.pass == Pass::Reduce {
            let is_of_sample = |part: &&gradstep::network::Part| {
                matches!(self.network.tensor(part.operands[Slot::Input(0)]).source, Some(BatchSource::Sample(..)))
            };
            return Ok(Tensor::number(count(self.op.parts.iter().filter(is_of_sample).count())));
        }
        let x = self.operand(Slot::Input(0))?;
        // a rule that reads the target belongs to the loss, or to the loss and the activation before it
        if let Ok(target) = self.operand(Slot::Target) {
            return Ok(Tensor::number(count(target.values.len())));
        }
        if let Some(placement) = self.pool() {
            return self.window_sizes(&placement, &x);
        }
        Ok(Tensor::number(count(x.values.len() / len(&self.network.tensor(self.y()).shape))))
    }

    /// The divisor of an average pool.
    fn window_sizes(&self, placement: &Placement, x: &Tensor) -> Result<Tensor, Why> {
        let padding_counts = self.own_keys().flag("count_include_pad").unwrap_or(true);
        let (windows, shape) = self.each_window(placement, x)?;
        let sizes = if padding_counts && placement.adaptive.is_none() {
            placement.padded_sizes(&if self.is_1d() { lifted(x.clone()) } else { x.clone() })?
        } else {
            windows.iter().map(Vec::len).collect()
        };
        Ok(Tensor::new(&shape, sizes.into_iter().map(count).collect()))
    }

    /// The windows of a pool, and the shape of its output.
    fn each_window(&self, placement: &Placement, x: &Tensor) -> Result<(Vec<Vec<usize>>, Vec<usize>), Why> {
        if !self.is_1d() {
            return placement.each_window(x);
        }
        let (windows, shape) = placement.each_window(&lifted(x.clone()))?;
        Ok((windows, lowered(Tensor::zeros(&shape)).shape))
    }

    fn product(&self, a: &Expr, b: &Expr, wanted: &[usize]) -> Result<Tensor, Why> {
        let first = self.value(a, wanted)?;
        // a `Σ` beside a tensor is over all entries
        let is_sum = matches!(b, Expr::Of(function, _) if function.name == "sum");
        let second = self.value(b, if is_sum && !first.is_number() { &[] } else { wanted })?;
        let matrix_product = first.matrix_product(&second);
        if first.is_number() || second.is_number() || first.shape == second.shape {
            first.zip(second, |a, b| a * b)
        } else {
            matrix_product.or_else(|why| first.hadamard(second).map_err(|_| why))
        }
    }

    fn convolution(&self, a: &Expr, b: &Expr, wanted: &[usize]) -> Result<Tensor, Why> {
        let is_turned = |expr: &Expr| matches!(expr, Expr::Of(function, _) if function.name == "rot180");
        let (mut first, mut second) = (self.value(a, wanted)?, self.value(b, wanted)?);
        let is_1d = self.is_1d();
        let mut lifted_shape = wanted.to_vec();
        if is_1d {
            (first, second) = (lifted(first), lifted(second));
            lifted_shape.insert(wanted.len() - 1, 1);
        }
        let wanted = &lifted_shape[..];
        let placement = |filter: &[usize]| Placement::of_filter(&self.own_keys(), [filter[2], filter[3]], is_1d);
        // an image has 3 axes, filters have 4
        let result = match (first.shape.len(), second.shape.len()) {
            (3, 4) if is_turned(b) => {
                let shape = wanted.try_into().map_err(|_| format!("{wanted:?} is not an image"))?;
                placement(&second.shape).slide_back(&first, &second, shape)
            }
            (4, 3) if !is_turned(a) => placement(&first.shape).slide(&second, &first),
            (3, 4) => placement(&second.shape).slide(&first, &second),
            (3, 3) => {
                let shape: [usize; 4] = wanted.try_into().map_err(|_| format!("{wanted:?} are not filters"))?;
                placement(&shape).slide_image(&first, &second, shape)
            }
            _ => Err(format!("{:?} and {:?} have no convolution", first.shape, second.shape)),
        };
        if is_1d { result.map(lowered) } else { result }
    }

    fn function(&self, function: &'static Primitive, arguments: &[Expr], wanted: &[usize]) -> Result<Tensor, Why> {
        match (function.name, function.definition, arguments) {
            (_, Definition::Largest, [x]) => {
                let (placement, x) = (self.pool().ok_or("a maximum without windows")?, self.value(x, wanted)?);
                let (windows, shape) = self.each_window(&placement, &x)?;
                Ok(Tensor::new(&shape, windows.iter().map(|window| x.values[winner(&x, window)]).collect()))
            }
            ("sum", Definition::Rule, [x]) => self.value(x, wanted)?.sum(wanted),
            ("mean", Definition::Rule, [x]) => {
                let x = self.value(x, wanted)?;
                let Some(placement) = self.pool() else {
                    let n = count(x.values.len() / len(wanted));
                    return Ok(x.sum(wanted)?.map(|sum| sum / n));
                };
                let (windows, shape) = self.each_window(&placement, &x)?;
                let sums = windows.iter().map(|window| window.iter().map(|at| x.values[*at]).sum()).collect();
                Tensor::new(&shape, sums).zip(self.window_sizes(&placement, &x)?, |sum, n| sum / n)
            }
            ("softmax" | "log_softmax", Definition::Rule, [z]) => {
                let z = self.value(z, wanted)?;
                let values = softmax(&z.values, function.name == "log_softmax");
                Ok(Tensor { values, ..z })
            }
            // `slide_back` inserts the zeros of the stride between the pixels of the error
            ("spread", Definition::Rule, [error]) => self.value(error, wanted),
            ("rot180", Definition::Rule, [filter]) if self.is_1d() => Ok(lowered(rot180(&lifted(self.value(filter, wanted)?))?)),
            ("rot180", Definition::Rule, [filter]) => rot180(&self.value(filter, wanted)?),
            // 1 / (√(s / correction) + eps), where s is a mean or sum of squared gradients; with a second argument m, the mean gradient, s − m² for s
            ("rate", Definition::Rule, [s, optional_mean @ ..]) => {
                let optimizer = Optimizer::of(self.keys);
                let squares = self.value(s, wanted)?;
                let variances = match optional_mean {
                    [mean] => squares.zip(self.value(mean, wanted)?, |s, m| s - m * m)?,
                    _ => squares,
                };
                Ok(variances.map(|s| 1.0 / ((s / optimizer.correction(self.iteration)).sqrt() + optimizer.number("eps"))))
            }
            ("hinge", Definition::Rule, [a, t]) => self.hinge(&self.value(a, wanted)?, &self.value(t, wanted)?, false),
            ("nearest" | "bilinear", Definition::Rule, [x]) => self.enlarged(&self.value(x, wanted)?),
            ("cat", Definition::Rule, parts) => {
                let parts = parts.iter().map(|part| self.value(part, wanted)).collect::<Result<Vec<_>, _>>()?;
                Tensor::new(&[len(wanted)], parts.into_iter().flat_map(|part| part.values).collect()).shaped(wanted)
            }
            ("vec", Definition::Rule, [x]) => {
                let x = self.value(x, wanted)?;
                let entries = [x.values.len()];
                x.shaped(&entries)
            }
            ("unvec", Definition::Rule, [x]) => self.value(x, wanted)?.shaped(wanted),
            ("^", Definition::Rule, _) | (_, Definition::Computed(_) | Definition::Expr(_), _) => {
                self.entries(function, arguments, wanted, |dual| dual.value)
            }
            _ => Err(format!("{} is not evaluated", function.name)),
        }
    }

    /// Applies a function of numbers to each entry. `number_of` returns the value of each result, or its slope by the first argument. Arguments that only the
    /// function's definition has are keys of the layer.
    fn entries(
        &self,
        function: &'static Primitive,
        arguments: &[Expr],
        wanted: &[usize],
        number_of: impl Fn(Dual) -> f64,
    ) -> Result<Tensor, Why> {
        let mut tensors = arguments.iter().map(|argument| self.value(argument, wanted)).collect::<Result<Vec<_>, _>>()?;
        for argument in tensors.len()..function.arguments.len() {
            tensors.push(Tensor::number(self.key(function, argument)?));
        }
        let shape = tensors.iter().map(|tensor| &tensor.shape).max_by_key(|shape| shape.len()).cloned().unwrap_or_default();
        let mut values = Vec::new();
        for at in 0..len(&shape) {
            let dual_of = |(n, tensor): (usize, &Tensor)| {
                let value = tensor.values[if tensor.is_number() { 0 } else { at }];
                if n == 0 { variable(value) } else { constant(value) }
            };
            let numbers: Vec<Dual> = tensors.iter().enumerate().map(dual_of).collect();
            values.push(number_of(dual::apply(function, &numbers)?));
        }
        Ok(Tensor::new(&shape, values))
    }

    /// The value of an argument that is only in the function's definition, such as `alpha` of `elu`: a key of the layer, or its default.
    fn key(&self, function: &Primitive, argument: usize) -> Result<f64, Why> {
        let row = ACTIVATIONS.iter().find(|row| row.primitive.is_some_and(|own| own == function));
        let (key, default) = match (row, function.arguments[argument]) {
            // argument 0 is z, the others are keys
            (Some(row), _) => row.keys[argument - 1],
            (None, "ε") => ("eps", 1e-5),
            (None, key @ ("delta" | "beta")) => (key, 1.0),
            (None, other) => return Err(format!("the argument {other} of {} is not a key", function.name)),
        };
        Ok(self.own_keys().number(key).unwrap_or(default))
    }

    /// ∂y/∂x for the operand x in the slot `operand`, from the right-hand side of y. x and y are numbers, as in a scalar graph.
    fn partial(&self, operand: Slot) -> Result<f64, Why> {
        let op_index = self.network.producer(self.y()).ok_or("y is not computed")?;
        let [forward] = &self.network.ops()[op_index].parts[..] else { return Err("y has several parts".to_owned()) };
        let (rule, operands) = self.run.part(&self.network.ops()[op_index], op_index, 0);
        let read = |expr: &Expr| match *expr {
            Expr::All(slot) | Expr::Entry(slot) => {
                let id = forward.operands.get(slot).ok_or_else(|| format!("{slot:?} is not read"))?;
                let value = self.run.values(id)[0];
                Ok(if slot == operand { variable(value) } else { constant(value) })
            }
            ref other => Err(format!("{other:?} in a graph")),
        };
        let value_of = |argument: &Expr| dual::evaluate(argument, &Scope { named: &read, arguments: &[] });
        let arguments = rule.arguments().iter().map(value_of).collect::<Result<Vec<_>, _>>()?;
        Ok(dual::evaluate(&rule.equation_for(&operands).right, &Scope { named: &read, arguments: &arguments })?.slope)
    }

    /// The summands max(0, margin − `a_y` + aᵢ)ᵖ of a hinge loss for all classes but the true one, y. If `is_slope`, the derivative of their sum by
    /// each output.
    fn hinge(&self, a: &Tensor, t: &Tensor, is_slope: bool) -> Result<Tensor, Why> {
        let (margin, p) = (self.own_keys().number("margin").unwrap_or(1.0), self.own_keys().number("p").unwrap_or(1.0));
        let y = (0..t.values.len()).find(|i| t.values.iter().all(|other| *other <= t.values[*i])).ok_or("no class")?;
        let violation = |i: usize| (margin - a.values[y] + a.values[i]).max(0.0);
        let mut out = a.clone().map(|_| 0.0);
        for i in (0..a.values.len()).filter(|i| *i != y) {
            if is_slope {
                let slope = if violation(i) > 0.0 { p * violation(i).powf(p - 1.0) } else { 0.0 };
                out.values[i] = slope;
                out.values[y] -= slope;
            } else {
                out.values[i] = violation(i).powf(p);
            }
        }
        Ok(out)
    }

    fn enlarged(&self, x: &Tensor) -> Result<Tensor, Why> {
        let keys = self.own_keys();
        enlarged(x, keys.pair("scale_factor").ok_or("there is no scale_factor")?, keys.text("mode") == Some("bilinear"))
    }

    /// Evaluates an expression and the words after it, such as `at the winners, else 0`.
    fn remark(&self, expr: &Expr, words: &str, wanted: &[usize]) -> Result<Tensor, Why> {
        let value = self.value(expr, &self.network.tensor(self.y()).shape)?;
        let x = self.operand(Slot::Input(0))?;
        let mut out = Tensor::zeros(wanted);
        match (words, self.pool()) {
            ("all over the channel", None) => return value.spread(wanted),
            ("over its copies" | "times the weights of the interpolation", None) => {
                // the transpose of the enlargement: its entry i is the product of the error and of the enlargement of the i-th unit image
                for at in 0..out.values.len() {
                    let mut unit = Tensor::zeros(wanted);
                    unit.values[at] = 1.0;
                    out.values[at] = self.enlarged(&unit)?.values.iter().zip(&value.values).map(|(a, b)| a * b).sum();
                }
            }
            ("all over each window", Some(placement)) => {
                for (window, value) in self.each_window(&placement, &x)?.0.iter().zip(&value.values) {
                    for at in window {
                        out.values[*at] += value;
                    }
                }
            }
            ("at the winners, else 0", Some(placement)) => {
                for (window, value) in self.each_window(&placement, &x)?.0.iter().zip(&value.values) {
                    out.values[winner(&x, window)] += value;
                }
            }
            _ => return Err(format!("the words \"{words}\" are not evaluated")),
        }
        Ok(out)
    }

    /// Evaluates an expression with J, whose entries are defined by Jⱼᵢ = … = …
    fn with_jacobian(&self, body: &Expr, definition: &Expr, wanted: &[usize]) -> Result<Tensor, Why> {
        let Expr::Equal([Expr::Indexed(Expr::Name("J"), "ji"), members @ ..]) = *definition else {
            return Err(format!("{definition:?} does not define J"));
        };
        let n = len(wanted);
        let mut jacobian: Option<Tensor> = None;
        for member in members {
            let entry = |at: usize| self.entry_of_jacobian(member, at / n, at % n);
            let evaluated = Tensor::new(&[n, n], (0..n * n).map(entry).collect::<Result<Vec<_>, _>>()?);
            if let Some(previous) = &jacobian
                && previous.values.iter().zip(&evaluated.values).any(|(a, b)| (a - b).abs() > 1e-8)
            {
                return Err(format!("{members:?} are not equal"));
            }
            jacobian = Some(evaluated);
        }
        Part { jacobian, ..self.clone() }.value(body, &[n])?.shaped(wanted)
    }

    /// Evaluates one of the expressions that define Jⱼᵢ, where y is the softmax or log-softmax of x. The expression ∂yⱼ/∂xᵢ is evaluated as a central
    /// difference.
    fn entry_of_jacobian(&self, expr: &Expr, j: usize, i: usize) -> Result<f64, Why> {
        let number_of = |index: &str| match index {
            "i" => Ok(i),
            "j" => Ok(j),
            other => Err(format!("the index {other}")),
        };
        if let Expr::PartialOf([Expr::Indexed(Expr::Entry(Slot::Output), y), Expr::Indexed(Expr::Entry(Slot::Input(0)), x)]) = expr {
            let (y, x) = (number_of(y)?, number_of(x)?);
            let is_log = self.forward_name()? == "log_softmax";
            let moved = |h: f64| {
                let mut z = self.operand(Slot::Input(0))?.values;
                z[x] += h;
                Ok::<_, Why>(softmax(&z, is_log)[y])
            };
            return Ok((moved(1e-5)? - moved(-1e-5)?) / 2e-5);
        }
        let named = |expr: &Expr| match expr {
            Expr::Indexed(Expr::Entry(slot), index) => Ok(constant(self.operand(*slot)?.values[number_of(index)?])),
            Expr::Name("[i=j]") => Ok(constant(if i == j { 1.0 } else { 0.0 })),
            other => Err(format!("{other:?} in a Jacobian")),
        };
        Ok(dual::evaluate(expr, &Scope { named: &named, arguments: &[] })?.value)
    }

    /// The name of the function that computes y.
    fn forward_name(&self) -> Result<&'static str, Why> {
        let number = self.network.producer(self.y()).ok_or("y is not computed")?;
        match self.network.ops()[number].parts[0].rule.equation().right {
            Expr::Of(function, _) => Ok(function.name),
            other => Err(format!("{other:?} is not a function")),
        }
    }
}

#[allow(clippy::cast_precision_loss)] // sizes of small tensors
fn count(n: usize) -> f64 {
    n as f64
}

/// The first of the largest entries of a window.
fn winner(image: &Tensor, window: &[usize]) -> usize {
    let larger = |best: usize, at: &usize| if image.values[*at] > image.values[best] { *at } else { best };
    window.iter().fold(window[0], larger)
}

/// aᵢ = exp zᵢ / Σⱼ exp zⱼ, or log aᵢ.
fn softmax(z: &[f64], is_log: bool) -> Vec<f64> {
    let sum: f64 = z.iter().map(|z| z.exp()).sum();
    z.iter().map(|z| if is_log { z - sum.ln() } else { z.exp() / sum }).collect()
}
