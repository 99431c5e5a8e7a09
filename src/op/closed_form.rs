//! Closed forms: the derivative of a block of operations as one formula. The debugger shows it beside the sum over the paths through the block.
//!
//! The backward pass adds up the sum over the paths, term by term. In the algebra most of the terms cancel, and the formula that is left is short. Both are
//! computed from the same numbers, so they differ only by rounding.
//!
//! J is the output of the graph, and ∂J/∂y, ∂J/∂L and ∂J/∂log p are the derivatives that arrive at the block. x̂ = (x − mean x) / σ is the normalised input of
//! a norm, p is the softmax of the logits z, and t are the targets.
//!
//! | block | formula | source |
//! | --- | --- | --- |
//! | batch norm, layer norm, group norm | (D − mean D − x̂ · mean(D x̂)) / σ, with D = γ ∂J/∂y | Ioffe and Szegedy, "Batch Normalization", 2015 |
//! | the same with the variance Σ (x − mean)² / (n − 1) | (D − mean D − x̂ · Σ(D x̂) / (n − 1)) / σ | the same derivation |
//! | the same with √v + ε in place of √(v + ε) | (D − mean D − (x − mean)/√v · mean(D x̂)) / σ | the same derivation |
//! | RMS norm | (D − x̂ · mean(D x̂)) / σ | Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019 |
//! | softmax with cross-entropy of classes | (p − t) / n · ∂J/∂L | Bridle, "Training stochastic model recognition algorithms as networks", 1990 |
//! | softmax with cross-entropy of probabilities t | (p Σt − t) / n · ∂J/∂L | the same; Σt is the sum of the row |
//! | log-softmax | p Σt − t, with t = −∂J/∂log p | the same |

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::broadcast::Broadcast;
use super::groups::Groups;
use super::slot::Slot::Input;
use crate::expr::Expr;

/// The largest number of entries of a group for which the screen shows a formula with a mean over the group.
const MAX_GROUP: usize = 4096;

/// The quantities of a formula for one entry, in the order of [`ClosedForm::letters`].
pub type Quantities = SmallVec<[f64; 5]>;

/// A closed form of the derivative of a block with respect to the block's input.
#[derive(Clone, Debug, PartialEq)]
pub enum ClosedForm {
    /// The derivative of y = γ x̂ + β with respect to x. To get x̂, the mean of each group is subtracted from x, and the difference is divided by the group's
    /// deviation σ. The operands are ∂J/∂y, x̂, σ, then x − mean and √v if the deviation is [`Deviation::Shifted`], and then γ if there is one.
    Norm {
        /// The entries that are normalised together.
        groups: Groups,
        /// `true` if the mean is subtracted.
        is_centred: bool,
        /// v / Σ (x − mean)²: 1/n, or 1/(n − 1).
        variance_factor: f64,
        /// The way in which σ is computed from the variance v.
        deviation: Deviation,
        /// `true` if the third operand is 1/σ instead of σ.
        is_inverse: bool,
        /// γ, as an operand that is broadcast to the shape of x; `None` without γ.
        weight: Option<RepeatedOperand>,
    },
    /// The derivative of a cross-entropy with respect to z. The cross-entropy is the negative logarithm of the softmax of z, at the class of each row. The
    /// operands are ∂J/∂L, then the probabilities in the form of [`ProbabilityOperand`], then the targets unless they are [`Targets::Known`]. For
    /// [`ProbabilityOperand::Logits`], log Σ exp z of each row follows.
    CrossEntropy {
        /// The rows, along the axis of the classes.
        rows: Groups,
        /// The number of rows if the loss is their mean, 1 if it is their sum.
        divisor: f64,
        /// The operand from which p is computed.
        probabilities: ProbabilityOperand,
        /// The targets.
        targets: Targets,
    },
    /// The derivative, with respect to z, of any function of the logarithm of the softmax of z. The operands are ∂J/∂log p and log p.
    LogSoftmax {
        /// The rows, along the axis of the classes.
        rows: Groups,
    },
}

/// The way in which a norm computes σ from the variance v.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deviation {
    /// √(v + ε), also with ε = 0.
    Plain,
    /// √v + ε
    Shifted,
}

/// The operand from which the probabilities p of a cross-entropy follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbabilityOperand {
    /// p
    Probabilities,
    /// log p
    Logarithms,
    /// z, as in the loss log Σ exp z − z\[class\]: p = exp(z − log Σ exp z).
    Logits,
}

/// The form in which a formula names its quantities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterForm {
    /// By letters, such as σ.
    Letters,
    /// A letter that only stands for an operand of a norm (x̂, σ) is replaced by the operand. The other letters (D, p) stay.
    Operands,
}

/// The targets of a cross-entropy.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// A class for each row, which an operand contains.
    Classes,
    /// A class for each row, which the text gives: the 4 of `p[4]`.
    Known(Arc<[usize]>),
    /// A probability for each class of each row.
    Probabilities(RepeatedOperand),
}

/// An operand that is broadcast to the shape of the input.
#[derive(Clone, Debug, PartialEq)]
pub struct RepeatedOperand {
    /// The broadcast; `None` if the shapes are equal.
    pub broadcast: Option<Arc<Broadcast>>,
    /// The index of the operand in the broadcast.
    pub slot: usize,
}

impl RepeatedOperand {
    /// The index of the operand's entry that belongs to an entry of the input.
    #[must_use]
    pub fn place(&self, at: usize) -> usize {
        self.broadcast.as_ref().map_or(at, |broadcast| broadcast.operand_entry(self.slot, at))
    }
}

const FIRST: Expr = Expr::Entry(Input(0));
const SECOND: Expr = Expr::Entry(Input(1));
const THIRD: Expr = Expr::Entry(Input(2));
const FOURTH: Expr = Expr::Entry(Input(3));
const FIFTH: Expr = Expr::Entry(Input(4));
/// 1/σ · (D − mean D − x̂ · mean(D x̂)), with the quantities D, mean D, x̂, mean(D x̂), 1/σ.
const NORM: Expr = Expr::Mul(&[FIFTH, Expr::Sub(&[Expr::Sub(&[FIRST, SECOND]), Expr::Mul(&[THIRD, FOURTH])])]);
/// 1/σ · (D − x̂ · mean(D x̂)), with the quantities D, x̂, mean(D x̂), 1/σ.
const RMS_NORM: Expr = Expr::Mul(&[FOURTH, Expr::Sub(&[FIRST, Expr::Mul(&[SECOND, THIRD])])]);
/// (p − t) / n · ∂J/∂L
const CROSS_ENTROPY: Expr = Expr::Mul(&[Expr::Div(&[Expr::Sub(&[FIRST, SECOND]), THIRD]), FOURTH]);
/// (p · Σt − t) / n · ∂J/∂L, with the quantities p, Σt, t, n, ∂J/∂L.
const SOFT_CROSS_ENTROPY: Expr = Expr::Mul(&[Expr::Div(&[Expr::Sub(&[Expr::Mul(&[FIRST, SECOND]), THIRD]), FOURTH]), FIFTH]);
/// p · Σt − t
const LOG_SOFTMAX: Expr = Expr::Sub(&[Expr::Mul(&[FIRST, SECOND]), THIRD]);

impl ClosedForm {
    /// Returns the formula. It reads its quantities from the slots `Input(0)`, `Input(1)`, ….
    #[must_use]
    pub fn formula(&self) -> &'static Expr {
        match self {
            Self::Norm { is_centred: true, .. } => &NORM,
            Self::Norm { .. } => &RMS_NORM,
            Self::CrossEntropy { targets: Targets::Probabilities(_), .. } => &SOFT_CROSS_ENTROPY,
            Self::CrossEntropy { .. } => &CROSS_ENTROPY,
            Self::LogSoftmax { .. } => &LOG_SOFTMAX,
        }
    }

    /// Returns the letters of the quantities, in which `{0}`, `{1}`, … stand for the symbols of the operands.
    #[must_use]
    pub fn letters(&self, form: LetterForm) -> SmallVec<[Cow<'static, str>; 5]> {
        let letters: &[&'static str] = match self {
            Self::Norm { is_centred, deviation, is_inverse, .. } => {
                let is_shifted = *deviation == Deviation::Shifted;
                let [normalised, inverse] = match form {
                    LetterForm::Letters => [if is_shifted { "diff/s" } else { "xhat" }, "1/σ"],
                    LetterForm::Operands => [if is_shifted { "{3}/{4}" } else { "{1}" }, if *is_inverse { "{2}" } else { "1/{2}" }],
                };
                let product = Cow::Owned(self.mean_of_product(if form == LetterForm::Letters { "xhat" } else { "{1}" }));
                let d_letters = if *is_centred { &["D", "mean(D)"][..] } else { &["D"][..] };
                let d_letters = d_letters.iter().copied().map(Cow::Borrowed);
                return d_letters.chain([Cow::Borrowed(normalised), product, Cow::Borrowed(inverse)]).collect();
            }
            Self::CrossEntropy { targets: Targets::Probabilities(_), .. } => &["p", "Σt", "t", "n", "{0}"],
            Self::CrossEntropy { .. } => &["p", "t", "n", "{0}"],
            Self::LogSoftmax { .. } => &["p", "Σt", "t"],
        };
        letters.iter().copied().map(Cow::Borrowed).collect()
    }

    /// Returns the text of mean(D x̂), or of Σ(D x̂)/(n − 1) if the factor of the variance is 1/(n − 1).
    fn mean_of_product(&self, normalised: &str) -> String {
        match self {
            Self::Norm { groups, variance_factor, .. } if !is_reciprocal(*variance_factor, groups.len) => {
                format!("Σ(D {normalised})/{}", (1.0 / variance_factor).round())
            }
            _ => format!("mean(D {normalised})"),
        }
    }

    /// Returns the definitions of the letters, in which `{0}`, `{1}`, … stand for the symbols of the operands and `{x}` for the input. Each is a letter and its
    /// meaning.
    #[must_use]
    pub fn definitions(&self, form: LetterForm) -> Vec<(&'static str, Cow<'static, str>)> {
        let softmax = ("p", Cow::Borrowed("softmax({x})"));
        let sum = ("Σt", Cow::Borrowed("the sum over the classes"));
        match self {
            Self::Norm { deviation, is_inverse, weight, .. } => {
                let is_shifted = *deviation == Deviation::Shifted;
                let upstream = match weight {
                    Some(_) if is_shifted => "{5}·{0}",
                    Some(_) => "{3}·{0}",
                    None => "{0}",
                };
                let of_operands = [("xhat", "{1}"), (if *is_inverse { "1/σ" } else { "σ" }, "{2}")];
                let of_shifted = if is_shifted { &[("diff", "{3}"), ("s", "{4}")][..] } else { &[] };
                let letters = of_operands.iter().chain(of_shifted).copied().filter(|_| form == LetterForm::Letters);
                [("D", upstream)].into_iter().chain(letters).map(|(letter, meaning)| (letter, Cow::Borrowed(meaning))).collect()
            }
            Self::CrossEntropy { targets, divisor, .. } => {
                let target = match targets {
                    Targets::Classes => "1 for the class in {2}, else 0",
                    Targets::Known(_) => "1 for the class that is read, else 0",
                    Targets::Probabilities(_) => "{2}",
                };
                let has_sum = matches!(targets, Targets::Probabilities(_));
                let rows = ("n", Cow::Owned(divisor.to_string()));
                [softmax, ("t", Cow::Borrowed(target))].into_iter().chain(has_sum.then_some(sum)).chain([rows]).collect()
            }
            Self::LogSoftmax { .. } => vec![softmax, ("t", Cow::Borrowed("−{0}")), sum],
        }
    }

    /// Returns whether the formula of one entry reads so few numbers that it is shown: those of one entry, or of a group of at most 4096 entries.
    #[must_use]
    pub fn is_short(&self) -> bool {
        match self {
            Self::CrossEntropy { targets: Targets::Classes | Targets::Known(_), .. } => true,
            Self::Norm { groups, .. } | Self::CrossEntropy { rows: groups, .. } | Self::LogSoftmax { rows: groups } => {
                groups.len <= MAX_GROUP
            }
        }
    }

    /// Computes the quantities for an entry of the input from the numbers of the operands; `None` if the operands do not fit this form.
    #[must_use]
    pub fn quantities(&self, operands: &[&[f64]], at: usize) -> Option<Quantities> {
        match (self, operands) {
            (Self::Norm { .. }, _) => self.quantities_of_norm(operands, at),
            (Self::CrossEntropy { rows, divisor, probabilities, targets }, [upstream, of_p, more @ ..]) => {
                let (row, class) = rows.group_of(at);
                let p = match probabilities {
                    ProbabilityOperand::Probabilities => of_p[at],
                    ProbabilityOperand::Logarithms => libm::exp(of_p[at]),
                    ProbabilityOperand::Logits => {
                        let log_sums = more.last()?;
                        libm::exp(of_p[at] - log_sums.get(row)?)
                    }
                };
                let upstream = *upstream.first()?;
                let one_if = |is_target| if is_target { 1.0 } else { 0.0 };
                Some(match targets {
                    Targets::Classes => {
                        let targets = more.first()?;
                        let target = one_if(is_class(*targets.get(row)?, class, rows.len));
                        [p, target, *divisor, upstream].into_iter().collect()
                    }
                    Targets::Known(classes) => [p, one_if(*classes.get(row)? == class), *divisor, upstream].into_iter().collect(),
                    Targets::Probabilities(operand) => {
                        let targets = more.first()?;
                        let sum = rows.flat_indices(row).map(|at| targets[operand.place(at)]).sum();
                        [p, sum, targets[operand.place(at)], *divisor, upstream].into_iter().collect()
                    }
                })
            }
            (Self::LogSoftmax { rows }, [upstream, log_p]) => {
                let (row, _) = rows.group_of(at);
                let sum = rows.flat_indices(row).map(|at| -upstream[at]).sum();
                Some([libm::exp(log_p[at]), sum, -upstream[at]].into_iter().collect())
            }
            _ => None,
        }
    }

    /// Computes the quantities of a norm.
    fn quantities_of_norm(&self, operands: &[&[f64]], at: usize) -> Option<Quantities> {
        let Self::Norm { groups, is_centred, variance_factor, deviation, is_inverse, weight } = self else { return None };
        let ([upstream, normalised, third], more) = operands.split_first_chunk::<3>()?;
        let (shifted, weights) = more.split_at_checked(if *deviation == Deviation::Shifted { 2 } else { 0 })?;
        let weighted = |at: usize| match (weight, weights) {
            (Some(operand), [weights]) => weights[operand.place(at)] * upstream[at],
            _ => upstream[at],
        };
        let (group, _) = groups.group_of(at);
        let sum = |number: &dyn Fn(usize) -> f64| groups.flat_indices(group).map(number).sum::<f64>();
        #[expect(clippy::cast_precision_loss, reason = "a number of entries")]
        let n = groups.len as f64;
        let sigma_or_inverse = *third.get(group)?;
        let inverse = if *is_inverse { sigma_or_inverse } else { 1.0 / sigma_or_inverse };
        let normalised_entry = match shifted {
            [centred, root] => centred[at] / root.get(group)?,
            _ => normalised[at],
        };
        let product_sum = sum(&|at| weighted(at) * normalised[at]);
        let product_mean = if is_reciprocal(*variance_factor, groups.len) { product_sum / n } else { product_sum * variance_factor };
        let mean = is_centred.then(|| sum(&weighted) / n);
        Some(std::iter::once(weighted(at)).chain(mean).chain([normalised_entry, product_mean, inverse]).collect())
    }
}

/// Returns whether a factor is 1/n, apart from rounding.
#[must_use]
pub fn is_reciprocal(factor: f64, n: usize) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a number of entries")]
    let n = n as f64;
    (factor * n - 1.0).abs() < 1e-14
}

/// Returns whether an index, which may be negative, is that of this class. A negative index counts from the end.
#[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "classes are small whole numbers")]
fn is_class(index: f64, class: usize, classes: usize) -> bool {
    let from_start = if index < 0.0 { index + classes as f64 } else { index };
    from_start == class as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(form: &ClosedForm, operands: &[&[f64]], at: usize) -> f64 {
        let quantities = form.quantities(operands, at).expect("operands that fit");
        let number = |slot| match slot {
            Input(n) => quantities[n],
            _ => f64::NAN,
        };
        assert_eq!(quantities.len(), form.letters(LetterForm::Letters).len());
        form.formula().value(&number).expect("a number")
    }

    fn norm(variance_factor: f64, deviation: Deviation, is_inverse: bool) -> ClosedForm {
        let broadcast = Broadcast::new(&[("x", &[4, 1]), ("weight", &[1])]).expect("shapes that fit");
        let weight = Some(RepeatedOperand { broadcast: Some(Arc::new(broadcast)), slot: 1 });
        ClosedForm::Norm { groups: Groups::along(&[4, 1], &[0]), is_centred: true, variance_factor, deviation, is_inverse, weight }
    }

    /// The first column of the scenario `batch-norm`, worked out by hand: x = (6, 14, 0, 8), σ = 5, γ = 5, and only the second example has an error.
    #[test]
    fn the_derivative_of_a_norm_by_hand() {
        let form = norm(0.25, Deviation::Plain, true);
        let operands: [&[f64]; 4] = [&[0.0, 1.0, 0.0, 0.0], &[-0.2, 1.4, -1.4, 0.2], &[0.2], &[5.0]];
        // D = (0, 5, 0, 0), so (D − 5/4 − x̂ · 5 · 1.4/4) / 5
        for (at, by_hand) in [-0.18, 0.26, 0.24, -0.32].into_iter().enumerate() {
            assert!((value(&form, &operands, at) - by_hand).abs() < 1e-15, "{at}");
        }
        assert_eq!(form.letters(LetterForm::Letters)[3], "mean(D xhat)");
    }

    /// The same numbers, but with Σ(x − mean)²/3 as the variance, so that σ² = 100/3. γ is equal to σ.
    #[test]
    fn the_derivative_of_a_norm_with_n_minus_1_by_hand() {
        let form = norm(1.0 / 3.0, Deviation::Plain, false);
        let sigma = (100.0_f64 / 3.0).sqrt();
        let xhat = [-1.0, 7.0, -7.0, 1.0].map(|x| x / sigma);
        let operands: [&[f64]; 4] = [&[0.0, 1.0, 0.0, 0.0], &xhat, &[sigma], &[sigma]];
        // (1 for at = 1, else 0) − 1/4 − diff · 7/100, with diff = (−1, 7, −7, 1)
        for (at, by_hand) in [-0.18, 0.26, 0.24, -0.32].into_iter().enumerate() {
            assert!((value(&form, &operands, at) - by_hand).abs() < 1e-15, "{at}");
        }
        assert_eq!(form.letters(LetterForm::Letters)[3], "Σ(D xhat)/3");
    }

    /// σ = √v + ε with √v = 5, ε = 5 and γ = 10. Compared with the first test, σ is twice as large, which halves the derivative through the numerator; the
    /// derivative through σ is halved twice. γ = 10 cancels the first halving, so only the part through σ is halved.
    #[test]
    fn the_derivative_of_a_norm_with_a_shifted_deviation_by_hand() {
        let form = norm(0.25, Deviation::Shifted, false);
        let operands: [&[f64]; 6] = [&[0.0, 1.0, 0.0, 0.0], &[-0.1, 0.7, -0.7, 0.1], &[10.0], &[-1.0, 7.0, -7.0, 1.0], &[5.0], &[10.0]];
        // (1 for at = 1, else 0) − 1/4 − diff/5 · 0.7/4, with diff = (−1, 7, −7, 1)
        for (at, by_hand) in [-0.215, 0.505, -0.005, -0.285].into_iter().enumerate() {
            assert!((value(&form, &operands, at) - by_hand).abs() < 1e-15, "{at}: {}", value(&form, &operands, at));
        }
    }

    /// Two rows with the probabilities 1/2, 1/4, 1/4 and the classes 0 and 2. The class 2 is also written as −1, the last one. The
    /// derivative is (p − t) / 2.
    #[test]
    fn the_derivative_of_cross_entropy_by_hand() {
        let rows = Groups::along(&[2, 3], &[1]);
        let form =
            |targets| ClosedForm::CrossEntropy { rows: rows.clone(), divisor: 2.0, probabilities: ProbabilityOperand::Logarithms, targets };
        let logits = ClosedForm::CrossEntropy {
            rows: rows.clone(),
            divisor: 2.0,
            probabilities: ProbabilityOperand::Logits,
            targets: Targets::Classes,
        };
        let log_p = [0.5, 0.25, 0.25, 0.5, 0.25, 0.25].map(libm::log);
        let same_shape = RepeatedOperand { broadcast: None, slot: 1 };
        let one_hot = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        for (at, by_hand) in [-0.25, 0.125, 0.125, 0.25, 0.125, -0.375].into_iter().enumerate() {
            assert!((value(&form(Targets::Classes), &[&[1.0], &log_p, &[0.0, -1.0]], at) - by_hand).abs() < 1e-15, "{at}");
            assert!(
                (value(&form(Targets::Probabilities(same_shape.clone())), &[&[1.0], &log_p, &one_hot], at) - by_hand).abs() < 1e-15,
                "{at}"
            );
            // z is log p + 1 in the first row and log p + 2 in the second, so log Σ exp z is 1 and 2
            let z: Vec<f64> = log_p.iter().zip([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]).map(|(log_p, shift)| log_p + shift).collect();
            assert!((value(&logits, &[&[1.0], &z, &[0.0, 2.0], &[1.0, 2.0]], at) - by_hand).abs() < 1e-15, "{at}");
            // the derivative of the loss by log p
            let upstream = one_hot.map(|t| -t / 2.0);
            assert!((value(&ClosedForm::LogSoftmax { rows: rows.clone() }, &[&upstream, &log_p], at) - by_hand).abs() < 1e-15, "{at}");
        }
    }
}
