//! Rules: a rule computes one tensor from others. Each entry is the sum of its terms, in order, and each term is a product or function of operand entries.
//!
//! A rule describes its equation twice: as a fast kernel for the whole tensor ([`Rule::accumulate`]) and as single terms ([`Rule::term`]). Both give the same
//! numbers bit for bit. For z = W a the entry `z[1]` has the terms `w[1,0] · a[0]`, `w[1,1] · a[1]`, …
//!
//! The *place* of an entry is its flat index in its tensor, counted in row-major order, as NumPy's `ravel_multi_index` counts: entry \[1, 2\] of a 3 x 4 tensor
//! is at place 6. Parameters called `at` are places.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use super::counted_zero::LEFT_OUT;
use super::mismatch::Mismatch;
use super::product_layout::ProductSlots;
use super::reuse::Reuse;
use super::slot::{Reads, Slot};
pub use super::uses::{IsKnown, PossibleUse, Use};
pub use super::window::Window;
use super::written::Written;
use crate::expr::{Expr, Notation, Primitive};
use crate::step::Kind;
use crate::sums::clear;
use crate::tally;
use crate::tensor::Places;
use smallvec::{SmallVec, smallvec};

/// Values that a rule computes once per run and reads later in the run, such as the largest entries that a max-pool has found; `None` for a rule without such
/// values.
pub type Memo = Option<Arc<dyn Any + Send + Sync>>;

/// The input of a rule: the tensors of its operands, by slot, and its memo.
#[derive(Clone)]
pub struct Operands<'a> {
    /// The tensor in each slot.
    pub tensors: Reads<&'a [f64]>,
    /// The result of [`Rule::memo`] for these operands.
    pub memo: &'a Memo,
}

impl<'a> Operands<'a> {
    /// The value of the entry `at` of the operand in `slot`.
    #[must_use]
    pub fn get(&self, slot: Slot, at: usize) -> f64 {
        self.tensors[slot][at]
    }

    /// The memo as a value of the type T; `None` if it has another type.
    #[must_use]
    pub fn memo<T: 'static>(&self) -> Option<&'a T> {
        self.memo.as_deref().and_then(|memo| memo.downcast_ref())
    }
}

/// The origin of a factor's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// The entry `at` of the operand in `slot`.
    Entry {
        /// The operand.
        slot: Slot,
        /// The place of the entry.
        at: usize,
    },
    /// A value computed from operands, such as `relu′(z)`.
    Derived {
        /// The expression that gives the value.
        expr: &'static Expr,
        /// The operand next to which the picture and the traces show the value.
        slot: Slot,
        /// A place in this operand. The expression reads all its operands at this place.
        at: usize,
        /// A second place in this operand, for an entry of a Jacobian: j in ∂a\[j\]/∂z\[i\], where i is `at`. `None` for other values.
        second: Option<usize>,
    },
    /// Many entries of the operand in `slot`, as one argument, which has no single value.
    Slice {
        /// The operand.
        slot: Slot,
        /// The places of the entries.
        places: Places,
    },
    /// A number in the equation, such as the ½ of the squared error.
    Constant,
}

/// One factor of a term, or one argument of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// The origin of the value.
    pub origin: Origin,
    /// The value; NaN for a slice.
    pub value: f64,
}

impl Arg {
    /// Returns the same derived factor with a second place. Its first place i and `second` are the indices of an entry of a Jacobian: ∂a\[second\]/∂z\[i\].
    #[must_use]
    pub fn with_second_place(mut self, second: usize) -> Self {
        if let Origin::Derived { second: place, .. } = &mut self.origin {
            *place = Some(second);
        }
        self
    }

    /// Returns whether the value depends on the entry `at` of the operand in `slot`. It does if it is that entry, or if it is a slice or an expression that
    /// contains that entry.
    #[must_use]
    pub fn reads(&self, slot: Slot, at: usize) -> bool {
        match self.origin {
            Origin::Entry { slot: read, at: place } => (read, place) == (slot, at),
            Origin::Derived { expr, at: place, .. } => (place == at && expr.names_entry(slot)) || self.reads_whole(slot),
            Origin::Slice { slot: read, places } => read == slot && places.contains(at),
            Origin::Constant => false,
        }
    }

    /// The slots of which the argument reads single entries or a slice: first the slot of its origin, then the other slots that its expression names.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        let mut slots: SmallVec<[Slot; 4]> = SmallVec::new();
        match self.origin {
            Origin::Entry { slot, .. } | Origin::Slice { slot, .. } => slots.push(slot),
            Origin::Derived { expr, slot: shown, .. } => {
                slots.push(shown);
                // a whole operand is not a single entry
                expr.visit(&mut |slot, is_whole| slots.extend((!is_whole && slot != shown).then_some(slot)));
            }
            Origin::Constant => {}
        }
        slots.into_iter()
    }

    /// Returns whether the argument is the entry `at` of the operand in `slot`, or is derived from that single entry. Unlike [`Arg::reads`], this method
    /// ignores slices and whole operands.
    #[must_use]
    pub fn reads_single_entry(&self, slot: Slot, at: usize) -> bool {
        let (Origin::Entry { at: place, .. } | Origin::Derived { at: place, .. }) = self.origin else { return false };
        place == at && self.slots().any(|read| read == slot)
    }

    /// Returns whether the value is derived by an expression that names the whole operand in `slot`.
    #[must_use]
    pub fn reads_whole(&self, slot: Slot) -> bool {
        matches!(self.origin, Origin::Derived { expr, .. } if expr.names_whole(slot))
    }
}

/// The numbers of some terms of one entry; its first term has the number 0.
pub type TermNumbers = SmallVec<[u64; 2]>;

/// The factors of one term, or the arguments of its function.
pub type Factors = SmallVec<[Arg; 4]>;

/// One term of one entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// The kind of operation.
    pub kind: Kind,
    /// The function that is applied to `args`; `None` for products and copies.
    pub function: Option<&'static Primitive>,
    /// The factors of the product, or the arguments of the function.
    pub args: Factors,
    /// The value that the term adds to the entry.
    pub value: f64,
}

impl Term {
    /// A product of factors, multiplied from left to right.
    #[must_use]
    pub fn product(args: Factors) -> Self {
        let value = args.iter().skip(1).fold(args.first().map_or(1.0, |a| a.value), |p, a| p * a.value);
        Self { kind: Kind::Product, function: None, args, value }
    }

    /// Creates the product upstream · gate, for a gate of 0 or 1. A closed gate (0) gives exactly 0, as in PyTorch. If the upstream is infinite or NaN, the
    /// product would be NaN, so the gate is then the only factor.
    #[must_use]
    pub fn gated(upstream: Arg, gate: Arg) -> Self {
        let is_plain_product = gate.value != 0.0 || upstream.value.is_finite();
        Self::product(if is_plain_product { smallvec![upstream, gate] } else { smallvec![gate] })
    }

    /// Creates the product of the factors of a loss term. 0 · log 0 is taken as 0; as a plain product it would be NaN.
    #[must_use]
    pub fn of_loss(args: Factors) -> Self {
        let has = |value: f64| args.iter().any(|arg| arg.value == value);
        if has(0.0) && has(f64::NEG_INFINITY) { Self::left_out(args) } else { Self::product(args) }
    }

    /// Creates a term of a loss that is 0, whatever its factors are. It is still a step, because the number of steps must not depend on values.
    #[must_use]
    pub fn left_out(args: Factors) -> Self {
        Self { kind: Kind::Select, function: Some(LEFT_OUT), args, value: 0.0 }
    }

    /// A copy of one entry.
    #[must_use]
    pub fn copy(arg: Arg) -> Self {
        Self { kind: Kind::Copy, function: None, value: arg.value, args: SmallVec::from_iter([arg]) }
    }

    /// A function applied to its arguments; `value` is the result.
    #[must_use]
    pub fn apply(function: &'static Primitive, args: Factors, value: f64) -> Self {
        Self { kind: Kind::Apply, function: Some(function), args, value }
    }
}

/// The entry `at` of operand `slot` as a factor.
#[must_use]
pub fn entry(x: &Operands<'_>, slot: Slot, at: usize) -> Arg {
    tally::count(1);
    Arg { origin: Origin::Entry { slot, at }, value: x.get(slot, at) }
}

/// The largest number of entries that a term has as separate arguments.
pub const MAX_NAMED: usize = 16;

/// The arguments of a function of many entries of the operand in `slot`, such as a softmax.
///
/// Up to [`MAX_NAMED`] entries are separate arguments, in the order of `named`, which has the same entries as `places`. For more entries there are only two
/// arguments: the entry `main`, which matters most, and a slice of all entries. So the size of a step does not grow with the operand.
#[must_use]
pub fn entries(x: &Operands<'_>, slot: Slot, main: usize, places: Places, named: impl Iterator<Item = usize>) -> Factors {
    if places.len() <= MAX_NAMED {
        return named.map(|at| entry(x, slot, at)).collect();
    }
    smallvec![entry(x, slot, main), Arg { origin: Origin::Slice { slot, places }, value: f64::NAN }]
}

/// Replaces a slice among the arguments of a function by its entries, one by one. This undoes the shortening of [`entries`].
#[must_use]
pub fn expand_slice(x: &Operands<'_>, args: Factors) -> Factors {
    match args.last() {
        // the first argument, the entry that matters most, is also in the slice
        Some(&Arg { origin: Origin::Slice { slot, places }, .. }) => places.each().map(|at| entry(x, slot, at)).collect(),
        _ => args,
    }
}

/// A number in the equation as a factor.
#[must_use]
pub fn constant(value: f64) -> Arg {
    Arg { origin: Origin::Constant, value }
}

/// A value computed by `expr`, as a factor that is shown at the entry `at` of the operand in `slot`. `expr` may also read other entries, as a sum over all
/// does.
#[must_use]
pub fn derived(expr: &'static Expr, slot: Slot, at: usize, value: f64) -> Arg {
    tally::count(1);
    Arg { origin: Origin::Derived { expr, slot, at, second: None }, value }
}

/// Evaluates an expression of operand entries, all at the place `at`, and returns the value as a factor that is shown at the operand in `slot`.
#[must_use]
pub fn evaluated(x: &Operands<'_>, expr: &'static Expr, slot: Slot, at: usize) -> Arg {
    derived(expr, slot, at, expr.value(&|slot| x.get(slot, at)).unwrap_or(f64::NAN))
}

/// An equation, in symbols and in words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Equation {
    /// The right-hand side. [`Rule::arguments`] returns the expressions for its arguments ([`Expr::Arg`]).
    pub right: Expr,
    /// The name of the computation, such as `weight gradient`.
    pub name: &'static str,
    /// The summary that is printed after the name.
    pub gist: Gist,
    /// The explanation, in a few sentences. `{x}`, `{y}` and `{C}` stand for the letters of the first argument, the result and the loss.
    pub words: &'static str,
}

/// A short summary of an equation, printed after its name and a colon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gist {
    /// No summary: the name is printed alone.
    None,
    /// Words: `the input convolved with the error`.
    Words(&'static str),
    /// The definition of a function: `relu(z) = 0 if z ≤ 0, else z`.
    Definition(&'static Primitive),
    /// A formula: `aᵢ = exp zᵢ / Σⱼ exp zⱼ`.
    Formula(Expr),
}

impl Gist {
    /// Text of the gist; empty if there is none.
    #[must_use]
    pub fn text(&self, notation: Notation) -> Cow<'static, str> {
        match self {
            Self::None => "".into(),
            Self::Words(words) => notation.words(words),
            Self::Definition(function) => function.definition_text(notation).into(),
            Self::Formula(formula) => formula.equation(notation, &[], |slot, _| slot.to_string()).into(),
        }
    }
}

impl Equation {
    /// The name with its gist: `weight gradient: the input convolved with the error`.
    #[must_use]
    pub fn title(&self, notation: Notation) -> Cow<'static, str> {
        match self.gist {
            Gist::None => self.name.into(),
            gist => format!("{}: {}", self.name, gist.text(notation)).into(),
        }
    }
}

impl Default for Equation {
    /// An equation without a name and words, for rules that are never shown.
    fn default() -> Self {
        Self { right: Expr::All(Slot::Input(0)), name: "", gist: Gist::None, words: "" }
    }
}

/// The expressions that replace [`Expr::Arg`] in an equation.
pub type Arguments = SmallVec<[Expr; 2]>;

/// The computation of one tensor, the result. The value of an entry is the sum of its terms, in order.
///
/// In these methods `x` has the operands, `entry` is a place in the result, and `term` is the index of a term of this entry, from 0.
pub trait Rule: Any + Debug + Send + Sync {
    /// Computes values that the other methods need, once per run. The network passes them to the methods as [`Operands::memo`].
    fn memo(&self, _tensors: &Reads<&[f64]>) -> Memo {
        None
    }

    /// Estimates the cost of the kernel for `entries` entries of the result, in multiplications. `operands` has the number of entries of each operand. The
    /// caller needs it before the op runs, to decide whether the op is too long for one time slice.
    fn work(&self, operands: &Reads<usize>, entries: usize) -> u64 {
        // an elementary function takes as long as about ten multiplications
        10 * (operands.iter().sum::<usize>() + entries) as u64
    }

    /// Adds all terms to `out`: each term to its entry, one by one and in order. A fused multiply-add is not allowed, because it rounds differently.
    fn accumulate(&self, x: &Operands<'_>, out: &mut [f64]);

    /// Overwrites each entry of `sums` with the sum of its terms; an entry without terms becomes 0.
    fn overwrite(&self, x: &Operands<'_>, sums: &mut [f64]) {
        // a sum starts at −0, because −0 + x has the bits of x for every x; 0 + −0 would be 0
        sums.fill(-0.0);
        self.accumulate(x, sums);
        if let Some(has_terms) = self.has_terms(x, sums.len()) {
            clear(sums, &has_terms);
        }
    }

    /// Does the same as [`Rule::overwrite`] for operands of one run, in which no tensor was replaced: the operand in [`Slot::Output`] is y as the forward pass
    /// computed it from the other operands.
    fn overwrite_in_run(&self, x: &Operands<'_>, sums: &mut [f64]) {
        self.overwrite(x, sums);
    }

    /// The number of terms of all entries before `entry`. `entry` may be one past the last entry; the result is then the number of all terms.
    fn prefix_terms(&self, x: &Operands<'_>, entry: usize) -> u64;

    /// The number of terms of each entry, if it is the same for all entries and all operands.
    fn terms_per_entry(&self) -> Option<u64> {
        None
    }

    /// For each of the `count` entries of the result, `true` if the entry has a term; `None` if every entry has one. The value of an entry without terms is 0.
    fn has_terms(&self, x: &Operands<'_>, count: usize) -> Option<Vec<bool>> {
        match self.terms_per_entry() {
            Some(0) => Some(vec![false; count]),
            Some(_) => None,
            None => Some((0..count).map(|entry| self.prefix_terms(x, entry) < self.prefix_terms(x, entry + 1)).collect()),
        }
    }

    /// The reason why an entry has no terms, as one clause that continues "it is 0:".
    fn reason_unreached(&self, _x: &Operands<'_>, _entry: usize) -> &'static str {
        "no term contributes to it"
    }

    /// The term of an entry with the index `term`, from 0.
    fn term(&self, x: &Operands<'_>, entry: usize, term: u64) -> Term;

    /// Adds the first `terms` terms of an entry to `sum`, one by one, and returns the new sum.
    fn add_first_terms(&self, x: &Operands<'_>, entry: usize, terms: u64, sum: f64) -> f64 {
        self.add_terms(x, entry, 0..terms, sum)
    }

    /// Adds a range of terms of an entry to `sum`, one by one, and returns the new sum.
    fn add_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64) -> f64 {
        terms.fold(sum, |sum, t| sum + self.term(x, entry, t).value)
    }

    /// Adds a range of terms to `sum`, and calls `visit` for each term with the running sum after it. Returns the last sum.
    fn visit_terms(&self, x: &Operands<'_>, entry: usize, terms: Range<u64>, sum: f64, visit: &mut dyn FnMut(&Term, f64)) -> f64 {
        terms.fold(sum, |sum, t| {
            let term = self.term(x, entry, t);
            let sum = sum + term.value;
            visit(&term, sum);
            sum
        })
    }

    /// Lists all terms that read the entry `at` of the operand in `slot`, in the sense of [`Arg::reads`].
    fn uses(&self, x: &Operands<'_>, slot: Slot, at: usize) -> Vec<Use>;

    /// Does the same as [`Rule::uses`], while some entries of the operands are not known. If such an entry decides whether a term reads the entry `at`, as a
    /// mask does, the term is listed too. A rule whose terms always read the same entries need not override this.
    fn possible_uses(&self, x: &Operands<'_>, slot: Slot, at: usize, _is_known: IsKnown<'_>) -> Vec<PossibleUse> {
        self.uses(x, slot, at).into_iter().map(PossibleUse::certain).collect()
    }

    /// Lists, in order, the terms of `entry` with an argument that reads the entry `at` of the operand in `slot` alone ([`Arg::reads_single_entry`]).
    ///
    /// The picture calls this method for each pair of neurons on the screen, so it must be fast. A rule with many terms, or with many arguments in a term,
    /// therefore overrides it with a method that takes constant time.
    fn terms_at(&self, x: &Operands<'_>, entry: usize, slot: Slot, at: usize) -> TermNumbers {
        let mut terms: TermNumbers =
            self.uses(x, slot, at).into_iter().filter(|found| found.entry == entry).map(|found| found.term).collect();
        terms.retain(|term| self.term(x, entry, *term).args.iter().any(|arg| arg.reads_single_entry(slot, at)));
        terms
    }

    /// `true` if a single term reads many entries of an operand: the whole operand or a window of it, as a softmax or a max pool does.
    fn is_gather(&self) -> bool {
        false
    }

    /// The equation in symbols and words.
    fn equation(&self) -> Equation;

    /// The equation for these operands. It differs from [`Rule::equation`] only in a rule that chooses between two equations by the values.
    fn equation_for(&self, _x: &Operands<'_>) -> Equation {
        self.equation()
    }

    /// Sentences about those sizes of the layer that matter to this equation, such as its stride; empty if no size matters.
    fn size_words(&self) -> String {
        String::new()
    }

    /// The reason why an entry is used several times, for a derivative with a term for each use; `None` for other rules.
    fn reuse(&self, _entry: usize) -> Option<Reuse> {
        None
    }

    /// The slots of the tensors of a matrix product, or of its gradients; `None` for other rules.
    fn product_slots(&self) -> Option<ProductSlots> {
        None
    }

    /// The equation as a person writes it: in NumPy, and with letters for the indices.
    fn written(&self) -> Written {
        Written::default()
    }

    /// The expressions that replace [`Expr::Arg`] in the equation, such as constants of the op.
    fn arguments(&self) -> Arguments {
        Arguments::new()
    }

    /// A closed formula for this entry, and the value of the formula. Both are shown beside the terms. For example, for a sigmoid with binary cross-entropy,
    /// the formula of ∂C/∂z is a − t. `None` for an entry without a closed formula.
    fn closed_formula(&self, _x: &Operands<'_>, _entry: usize) -> Option<(Expr, f64)> {
        None
    }

    /// The geometry of the filter on the image, for convolutions and pools; `None` for other rules.
    fn window(&self) -> Option<Window> {
        None
    }
}

/// One differentiable function y = f(x₀, x₁, …) of tensors: its forward rule and, for each input, the rule of ∂C/∂xᵢ.
pub trait Function: Debug + Send + Sync {
    /// Infers the shape of y from the shapes of the inputs. By default y has the shape of the first input.
    ///
    /// # Errors
    /// If the shapes do not fit together.
    fn shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, Mismatch> {
        Ok(inputs.first().map_or_else(Vec::new, |shape| shape.to_vec()))
    }

    /// The rule of y; it reads the inputs.
    fn forward(&self) -> Arc<dyn Rule>;

    /// The rule of this function's part of ∂C/∂xᵢ, for i = `input`. It reads the inputs, y and ∂C/∂y. `None` for an input without a gradient, such as a target.
    fn backward(&self, input: usize) -> Option<Arc<dyn Rule>>;
}

/// [`Rule::prefix_terms`] of a rule that has exactly one term for each entry.
#[must_use]
pub fn one_term_each(entry: usize) -> u64 {
    entry as u64
}

/// [`Rule::uses`] of an elementwise rule: only the result's entry at the same place reads the entry `at`, and it has one term.
#[must_use]
pub fn elementwise_use(at: usize) -> Vec<Use> {
    vec![Use { entry: at, term: 0 }]
}
